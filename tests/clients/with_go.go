// Go's net/http, from the standard library alone: so no WebSocket client, and no HTTP/2 without TLS.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"reflect"
	"strings"
	"time"
)

const (
	web        = "/web/v1/tenant"
	large      = 20 << 20
	events     = 5
	intervalMs = 200
	order      = `{"order":17,"what":"naïve “quotes” \\"}`
)

var (
	base    string
	changes = [][2]string{
		{"correct horse battery", "another horse battery"},
		{"another horse battery", "correct horse battery"},
	}
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintf(os.Stderr, "usage: %s BASE_URL\n", os.Args[0])
		os.Exit(2)
	}
	base = strings.TrimSuffix(os.Args[1], "/")
	failed := 0
	for _, c := range []struct {
		name string
		run  func() error
	}{
		{"get-json", getJSON},
		{"post-json", func() error { return postJSON(client()) }},
		{"post-sealed", func() error { return postSealed(nil) }},
		{"upload", func() error { return upload("POST", func(b []byte) io.Reader { return bytes.NewReader(b) }, nil) }},
		{"upload-chunked", func() error {
			// Behind a type of its own the length is unknown.
			return upload("PUT", func(b []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(b)} }, nil)
		}},
		{"download", download},
		{"events", serverSentEvents},
		{"keep-alive", keepAlive},
		{"expect-continue", func() error {
			return told(func(ask http.Header) error {
				return upload("POST", func(b []byte) io.Reader { return bytes.NewReader(b) }, ask)
			})
		}},
		{"expect-continue-sealed", func() error { return told(postSealed) }},
	} {
		if err := c.run(); err != nil {
			failed++
			fmt.Printf("FAILED %s: %s\n", c.name, strings.Join(strings.Fields(err.Error()), " "))
			continue
		}
		fmt.Printf("ok %s\n", c.name)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func client() *http.Client {
	// A wait for the 100 that is longer than any test, so that a body without it is never sent.
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{ExpectContinueTimeout: time.Minute},
	}
}

func ask(client *http.Client, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	request, err := http.NewRequest(method, base+web+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if trace != nil {
		request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	}
	return client.Do(request)
}

// The trace of the next requests; the cases run one after the other.
var trace *httptrace.ClientTrace

// An answer as a legacy client wants it: JSON in the open.
func taken(answer *http.Response, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		return nil, fmt.Errorf("%s, %s: %.300s", answer.Status, answer.Header.Get("Content-Type"), body)
	}
	var envelope struct {
		Success bool
		Data    map[string]any
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	if !envelope.Success {
		return nil, fmt.Errorf("no success: %.300s", body)
	}
	return envelope.Data, nil
}

func equal(found, wanted any, what string) error {
	if !reflect.DeepEqual(found, wanted) {
		return fmt.Errorf("%s is %v, not %v", what, found, wanted)
	}
	return nil
}

func getJSON() error {
	data, err := taken(ask(client(), "GET", "/profile", nil, nil))
	if err != nil {
		return err
	}
	return equal(data["accountEmail"], "admin@example.com", "accountEmail")
}

func postJSON(client *http.Client) error {
	header := http.Header{"Content-Type": {"application/json"}}
	data, err := taken(ask(client, "POST", "/echo", strings.NewReader(order), header))
	if err != nil {
		return err
	}
	if err := equal(data["sealed"], false, "sealed"); err != nil {
		return err
	}
	return equal(data["body"], order, "the body")
}

func postSealed(header http.Header) error {
	for _, change := range changes {
		body, err := json.Marshal(map[string]string{"currentPassword": change[0], "newPassword": change[1]})
		if err != nil {
			return err
		}
		all := http.Header{"Content-Type": {"application/json"}}
		for name, values := range header {
			all[name] = values
		}
		data, err := taken(ask(client(), "POST", "/auth/password/change", bytes.NewReader(body), all))
		if err != nil {
			return err
		}
		if err := equal(data["success"], true, "data.success"); err != nil {
			return err
		}
	}
	return nil
}

// The bytes of the portal's downloads.
func pattern() []byte {
	data := make([]byte, large)
	for n := range data {
		data[n] = byte(n % 251)
	}
	return data
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func upload(method string, reader func([]byte) io.Reader, header http.Header) error {
	sent := pattern()
	data, err := taken(ask(client(), method, "/upload", reader(sent), header))
	if err != nil {
		return err
	}
	return equal(data, map[string]any{"bytes": float64(len(sent)), "sha256": digest(sent)}, "the receipt")
}

func download() error {
	answer, err := ask(client(), "GET", fmt.Sprintf("/download?bytes=%d", large), nil, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := equal(answer.ContentLength, int64(large), "content-length"); err != nil {
		return err
	}
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	return equal(digest(data), digest(pattern()), "the digest")
}

func serverSentEvents() error {
	answer, err := ask(client(), "GET", fmt.Sprintf("/events?count=%d&interval_ms=%d", events, intervalMs), nil, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var came []time.Time
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			came = append(came, time.Now())
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if err := equal(len(came), events, "the number of events"); err != nil {
		return err
	}
	// Held back and sent in one go they would have no time between them; two by two, half of them would have none.
	apart := 0
	for n := 1; n < events; n++ {
		if came[n].Sub(came[n-1]) >= 20*time.Millisecond {
			apart++
		}
	}
	whole := came[events-1].Sub(came[0])
	if apart < events-2 || whole < (events-1)*intervalMs/2*time.Millisecond {
		return fmt.Errorf("the events did not come one by one: %d apart, in %s", apart, whole)
	}
	return nil
}

func keepAlive() error {
	var reused []bool
	trace = &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) { reused = append(reused, got.Reused) }}
	defer func() { trace = nil }()
	client := client()
	for n := 0; n < 2; n++ {
		if err := postJSON(client); err != nil {
			return err
		}
	}
	return equal(reused, []bool{false, true}, "whether each connection was a used one")
}

// Runs requests with an Expect, and sees to it that a 100 came for each.
func told(run func(http.Header) error) error {
	waited, got := 0, 0
	trace = &httptrace.ClientTrace{Wait100Continue: func() { waited++ }, Got100Continue: func() { got++ }}
	defer func() { trace = nil }()
	if err := run(http.Header{"Expect": {"100-continue"}}); err != nil {
		return err
	}
	if waited == 0 || got != waited {
		return fmt.Errorf("waited for %d times 100, and got %d", waited, got)
	}
	return nil
}
