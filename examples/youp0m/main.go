// Command youp0m is a stand-in for the image-wall server youp0m, written for
// the example image of entrykit. It has the two flags that the image needs and
// checks passwords as youp0m's dependency does, with crypt(3); it is not
// verified against youp0m itself.
//
// The wall at / is public. The pages under /admin/ take uploads; they are open
// to the accounts of the file that -htpasswd names, and without one to nobody.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	imagesDir     = "/images"
	shutdownGrace = 5 * time.Second
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("youp0m: ")
	bind := flag.String("bind", ":8080", "listen on `ADDR`")
	htpasswd := flag.String("htpasswd", "", "open /admin/ to the accounts in `FILE`")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(flag.CommandLine.Output(), "unexpected argument: %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*bind, *htpasswd); err != nil {
		log.Fatal(err)
	}
}

// serve answers requests until SIGTERM or SIGINT, then lets the open ones end.
func serve(bind, htpasswd string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var accounts accounts
	if htpasswd != "" {
		var err error
		if accounts, err = readAccounts(htpasswd); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", bind)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           newWall(imagesDir, accounts),
		IdleTimeout:       2 * time.Minute,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Printf("listening on %s", bind)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop() // A second signal ends the process at once.
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close() // A slow client does not make the stop a failure.
}
