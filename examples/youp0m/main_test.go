package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The password of each is "wall's own".
const (
	bcryptHash = "$2y$04$tHQ3eBbxvXTDNhxjp8FPeOyhlSDvM2OJQyZrY1L3f7cX7VLA/miui"
	md5Hash    = "$1$LMDLn5d2$3znepxfXDbY5LYzk4EwsS/"
	sha256Hash = "$5$smS8AUCwwBsCq67i$UJc5DH0ePrc9EG.DYhlP56aJ59xsHsuMFGg9g/Oi5D1"
	sha512Hash = "$6$4t8G.b/NZRLouqgR$huoNqMdfs0eDvydZrsBdI5EKC2vTX6h8lCvALq98NRy5CgZ6t9U/wRUS6DhbjHqle.McrVvZEsne7JzcfTavD/"
	password   = "wall's own"
)

const gif = "GIF89a\x01\x00\x01\x00\x00\x00\x00;"

func newServer(t *testing.T, accounts accounts) (url, dir string) {
	t.Helper()
	dir = t.TempDir()
	server := httptest.NewServer(newWall(dir, accounts))
	t.Cleanup(server.Close)
	return server.URL, dir
}

func send(t *testing.T, method, url, user, password string, header http.Header, body io.Reader) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // Follows no redirect.
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func upload(t *testing.T, url, name, content string, header http.Header) int {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("image", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(part, content); err != nil {
		t.Fatal(err)
	}
	form.Close()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", form.FormDataContentType())
	status, _ := send(t, "POST", url+"/admin/", "admin", password, header, &body)
	return status
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryKindOfHashThatCryptKnowsOpensTheAdminPages(t *testing.T) {
	for _, hash := range []string{bcryptHash, md5Hash, sha256Hash, sha512Hash} {
		accounts, err := readAccounts(write(t, "# accounts\n\nother:"+md5Hash+"\nadmin:"+hash+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		url, _ := newServer(t, accounts)
		for _, try := range []struct {
			user, password string
			want           int
		}{
			{"", "", 401},
			{"admin", password, 200},
			{"admin", "", 401},
			{"admin", "wrong", 401},
			{"admin", password + "\x00more", 401},
			{"nobody", password, 401},
		} {
			if got, _ := send(t, "GET", url+"/admin/", try.user, try.password, nil, nil); got != try.want {
				t.Errorf("%.4s %q:%q: got %d, want %d", hash, try.user, try.password, got, try.want)
			}
		}
	}
}

func TestWithoutAccountsTheAdminPagesAreClosedAndTheWallIsOpen(t *testing.T) {
	url, _ := newServer(t, nil)
	if got, _ := send(t, "GET", url+"/admin/", "admin", password, nil, nil); got != 403 {
		t.Errorf("/admin/: got %d, want 403", got)
	}
	if got, _ := send(t, "GET", url+"/", "", "", nil, nil); got != 200 {
		t.Errorf("/: got %d, want 200", got)
	}
}

func TestAFileThatIsNoHtpasswdIsAnError(t *testing.T) {
	for content, want := range map[string]string{
		"":                         "no accounts",
		"admin\n":                  ":1: not NAME:HASH",
		"admin:\n":                 ":1: not NAME:HASH",
		"# x\n:" + md5Hash:         ":2: not NAME:HASH",
		"admin:$apr1$abc$xyz\n":    "does not know",
		"admin:{SHA}secretsecret=": "does not know",
	} {
		_, err := readAccounts(write(t, content))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %q", content, err, want)
		}
	}
	if _, err := readAccounts(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file: no error")
	}
}

func TestAnUploadedImageIsListedAndServedAsItIs(t *testing.T) {
	url, _ := newServer(t, accounts{"admin": md5Hash})
	if got := upload(t, url, "cat.gif", gif, http.Header{"Sec-Fetch-Site": {"same-origin"}}); got != 303 {
		t.Fatalf("upload: got %d, want 303", got)
	}
	if _, page := send(t, "GET", url+"/", "", "", nil, nil); !strings.Contains(page, `href="/images/cat.gif"`) {
		t.Errorf("not listed: %s", page)
	}
	if _, got := send(t, "GET", url+"/images/cat.gif", "", "", nil, nil); got != gif {
		t.Errorf("got %q, want %q", got, gif)
	}
	if got := upload(t, url, "cat.gif", gif, nil); got != 409 {
		t.Errorf("the same name again: got %d, want 409", got)
	}
}

func TestWhatIsNoImageIsRefusedAndLeavesNothing(t *testing.T) {
	url, dir := newServer(t, accounts{"admin": md5Hash})
	for _, try := range []struct {
		name, content string
		want          int
	}{
		{".hidden.gif", gif, 400},
		{"cat", gif, 400},
		{"cat.html", gif, 400},
		{"cat.gif\n", gif, 400},
		{"cat.gif", "", 415},
		{"cat.gif", "<script>", 415},
		{"cat.png", gif, 415},
		{"large.gif", gif + strings.Repeat("x", maxUpload), 413},
	} {
		if got := upload(t, url, try.name, try.content, nil); got != try.want {
			t.Errorf("%q: got %d, want %d", try.name, got, try.want)
		}
	}
	if got := upload(t, url, "cat.gif", gif, http.Header{"Sec-Fetch-Site": {"cross-site"}}); got != 403 {
		t.Errorf("another site's form: got %d, want 403", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestAPathInTheNameOfAnUploadIsCutOff(t *testing.T) {
	url, dir := newServer(t, accounts{"admin": md5Hash})
	if got := upload(t, url, "../../up.gif", gif, nil); got != 303 {
		t.Errorf("got %d, want 303", got)
	}
	if !isRegular(filepath.Join(dir, "up.gif")) {
		t.Error("not in the directory")
	}
}

func TestNothingButTheDirectorysOwnImagesIsServed(t *testing.T) {
	url, dir := newServer(t, nil)
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644),
		os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.gif"), []byte(gif), 0o644),
		os.Symlink("/etc/passwd", filepath.Join(dir, "link.gif")),
		os.Mkdir(filepath.Join(dir, "directory.gif"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{
		"/images/", "/images/notes.txt", "/images/link.gif", "/images/directory.gif",
		"/images/..%2foutside.gif", "/images/%2e%2e/outside.gif", "/elsewhere",
	} {
		if got, _ := send(t, "GET", url+path, "", "", nil, nil); got != 404 && got != 301 {
			t.Errorf("%s: got %d, want 404", path, got)
		}
	}
	if got, _ := send(t, "DELETE", url+"/", "", "", nil, nil); got != 405 {
		t.Errorf("DELETE: got %d, want 405", got)
	}
}
