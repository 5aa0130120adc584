package main

/*
#cgo LDFLAGS: -lcrypt
#include <crypt.h>
#include <stdlib.h>
*/
import "C"

import (
	"bufio"
	"crypto/subtle"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// accounts maps the names of an htpasswd file to their hashes.
type accounts map[string]string

// readAccounts reads an htpasswd file: lines of NAME:HASH, blank ones and
// comments aside. A hash that crypt(3) does not know is an error now, not a
// login that can never succeed. No message shows a hash.
func readAccounts(path string) (accounts, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := accounts{}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, _ := strings.Cut(line, ":")
		if name == "" || hash == "" {
			return nil, fmt.Errorf("%s:%d: not NAME:HASH", path, number)
		}
		if !isCryptHash(hash) {
			return nil, fmt.Errorf("%s:%d: crypt(3) does not know this kind of hash", path, number)
		}
		found[name] = hash
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no accounts", path)
	}
	return found, nil
}

// allow tells whether the password is the account's. An unknown name costs as
// much time as a known one, so that the time does not tell which names exist.
func (a accounts) allow(name, password string) bool {
	hash, known := a[name]
	if !known {
		for _, hash = range a {
			break
		}
	}
	return verify(hash, password) && known
}

func verify(hash, password string) bool {
	if strings.ContainsRune(password, 0) {
		return false // C would see only what stands before the NUL.
	}
	key, setting := C.CString(password), C.CString(hash)
	defer C.free(unsafe.Pointer(key))
	defer C.free(unsafe.Pointer(setting))
	var scratch C.struct_crypt_data
	result := C.crypt_r(key, setting, &scratch)
	if result == nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(C.GoString(result)), []byte(hash)) == 1
}

func isCryptHash(hash string) bool {
	setting := C.CString(hash)
	defer C.free(unsafe.Pointer(setting))
	verdict := C.crypt_checksalt(setting)
	return verdict != C.CRYPT_SALT_INVALID && verdict != C.CRYPT_SALT_METHOD_DISABLED
}
