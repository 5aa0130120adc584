package main

import (
	"bufio"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const maxUpload = 10 << 20

// imageTypes has no SVG: it can carry scripts.
var imageTypes = map[string]string{
	".gif":  "image/gif",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".png":  "image/png",
	".webp": "image/webp",
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

var page = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>youp0m</title>
<h1>youp0m</h1>
{{if .Admin}}<form enctype="multipart/form-data" method="post">
<input accept="image/gif,image/jpeg,image/png,image/webp" name="image" required type="file">
<button>Upload</button>
</form>
{{end}}<ul>
{{range .Names}}<li><a href="/images/{{.}}">{{.}}</a></li>
{{else}}<li>No images yet.</li>
{{end}}</ul>
</html>
`))

type wall struct {
	dir      string
	accounts accounts // nil: nobody may upload
}

func newWall(dir string, accounts accounts) http.Handler {
	wall := &wall{dir: dir, accounts: accounts}
	mux := http.NewServeMux()
	mux.HandleFunc("/", wall.index)
	mux.HandleFunc("/images/", wall.image)
	mux.HandleFunc("/admin/", wall.admin)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	})
}

func (wall *wall) index(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
	} else if isRead(w, r) {
		wall.show(w, false)
	}
}

func (wall *wall) image(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/images/")
	path := filepath.Join(wall.dir, name)
	if !isImageName(name) || !isRegular(path) {
		http.NotFound(w, r)
	} else if isRead(w, r) {
		http.ServeFile(w, r, path)
	}
}

func (wall *wall) admin(w http.ResponseWriter, r *http.Request) {
	if wall.accounts == nil {
		http.Error(w, "the admin pages are closed: the server has no -htpasswd", http.StatusForbidden)
		return
	}
	name, password, _ := r.BasicAuth()
	if !wall.accounts.allow(name, password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="youp0m", charset="UTF-8"`)
		http.Error(w, "user name and password, please", http.StatusUnauthorized)
		return
	}
	if r.URL.Path != "/admin/" {
		http.NotFound(w, r)
	} else if r.Method == http.MethodPost {
		wall.upload(w, r)
	} else if isRead(w, r) {
		wall.show(w, true)
	}
}

func (wall *wall) show(w http.ResponseWriter, admin bool) {
	entries, err := os.ReadDir(wall.dir)
	if err != nil {
		log.Print(err)
		http.Error(w, "the images cannot be read", http.StatusInternalServerError)
		return
	}
	var names []string
	for _, entry := range entries {
		if isImageName(entry.Name()) && entry.Type().IsRegular() {
			names = append(names, entry.Name())
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, struct {
		Admin bool
		Names []string
	}{admin, names}); err != nil {
		log.Print(err)
	}
}

// upload streams the form's file into the directory: nothing is held in memory
// or in /tmp, which a read-only container does not have.
func (wall *wall) upload(w http.ResponseWriter, r *http.Request) {
	// A browser sends the password with other sites' forms too, but says where they are from.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		http.Error(w, "a form of another site", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	form, err := r.MultipartReader()
	if err != nil {
		http.Error(w, "not a form with a file", http.StatusBadRequest)
		return
	}
	part, err := form.NextPart()
	if err != nil || part.FormName() != "image" {
		http.Error(w, "no image in the form", http.StatusBadRequest)
		return
	}
	name := part.FileName() // The last element only, says mime/multipart.
	if !isImageName(name) {
		http.Error(w, "not the name of a gif, jpeg, png or webp file", http.StatusBadRequest)
		return
	}
	content := bufio.NewReaderSize(part, 512)
	head, _ := content.Peek(512) // Shorter at the end of the file; a real error comes again.
	if http.DetectContentType(head) != imageType(name) {
		http.Error(w, "the content is not what the name says", http.StatusUnsupportedMediaType)
		return
	}
	if err := writeNew(filepath.Join(wall.dir, name), content); err != nil {
		refuse(w, name, err)
		return
	}
	log.Printf("stored %s", name)
	http.Redirect(w, r, "/admin/", http.StatusSeeOther)
}

// writeNew makes the file, which must not exist yet, and leaves none where it fails.
func writeNew(path string, content io.Reader) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			os.Remove(path)
		}
	}()
	_, err = io.Copy(file, content)
	return err
}

func refuse(w http.ResponseWriter, name string, err error) {
	log.Printf("cannot store %s: %v", name, err)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, fs.ErrExist):
		http.Error(w, "there is an image of this name", http.StatusConflict)
	case errors.As(err, &tooLarge):
		http.Error(w, "the image is larger than 10 MiB", http.StatusRequestEntityTooLarge)
	default:
		http.Error(w, "the image cannot be stored", http.StatusInternalServerError)
	}
}

func isRead(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "only to be read", http.StatusMethodNotAllowed)
	return false
}

func isImageName(name string) bool { return fileName.MatchString(name) && imageType(name) != "" }

func imageType(name string) string { return imageTypes[strings.ToLower(filepath.Ext(name))] }

func isRegular(path string) bool {
	info, err := os.Lstat(path) // Not Stat: a link could lead out of the directory.
	return err == nil && info.Mode().IsRegular()
}
