// A program with rollbar-go: client TOKEN ENDPOINT HARD CASE... HARD is a file of JSON with values
// that are hard to carry.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/rollbar/rollbar-go"
)

type feedError struct{ name string }

func (e *feedError) Error() string { return "no feed of " + e.name }

func inner() error { return &feedError{"Žluťoučký 馬 🧨"} }

func hard(path string) map[string]interface{} {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var values map[string]interface{}
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		panic(err)
	}
	return values
}

// What an HTTP server hands to its handler.
func request() *http.Request {
	body := strings.NewReader("name=andrew&password=hunter2")
	r := httptest.NewRequest("POST", "/feeds/%C5%BElu%C5%A5?password=hunter2&page=2&page=3", body)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	r.Header.Set("Authorization", "Bearer hunter2")
	r.Header.Set("Cookie", "sid=hunter2")
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	return r
}

func large(mib int) {
	line := "0123456789 words of a log, again and again: "
	log := strings.Repeat(line, mib<<20/len(line)+1)
	rollbar.Error(fmt.Sprintf("%d MiB of log", mib), map[string]interface{}{"log": log, "n": 7})
}

func panics() { panic(errors.New("a panic that somebody wrapped")) }

func main() {
	token, endpoint, values := os.Args[1], os.Args[2], os.Args[3]
	rollbar.SetToken(token)
	rollbar.SetEndpoint(endpoint)
	rollbar.SetEnvironment("interop")
	rollbar.SetCodeVersion("1.2.3")
	rollbar.SetServerRoot("github.com/towbar/client")
	cases := map[string]func(){
		"error": func() { rollbar.Error(inner(), map[string]interface{}{"n": 1}) },
		"chain": func() {
			middle := fmt.Errorf("middle fault: %w", inner())
			rollbar.Critical(fmt.Errorf("outer fault: %w", middle))
		},
		"message": func() { rollbar.Warning("a message: 馬 🧨", hard(values)) },
		"person": func() {
			person := &rollbar.Person{Id: "9007199254740993", Username: "žofie", Email: "z@example.org"}
			ctx := rollbar.NewPersonContext(context.Background(), person)
			rollbar.MessageWithExtrasAndContext(ctx, "info", "of a person", nil)
		},
		"telemetry": func() {
			rollbar.SetTelemetry(rollbar.EnableLoggerTelemetry())
			event := map[string]interface{}{"message": "an event: 馬", "password": "hunter2"}
			rollbar.CaptureTelemetryEvent("manual", "debug", event)
			rollbar.Error(errors.New("after an event"))
		},
		"request": func() { rollbar.RequestError("error", request(), inner()) },
		"panic": func() {
			defer func() { _ = recover() }()
			rollbar.WrapAndWait(panics)
		},
		// It shortens nothing by itself.
		"large5": func() { large(5) },
		"large9": func() { large(9) },
		// As many as wait in memory at once.
		"many": func() {
			for i := 0; i < 8; i++ {
				rollbar.Info(fmt.Sprintf("number %d", i))
			}
		},
		// Without it Close() meets a 429 by sending on a channel that it has closed, and hangs.
		"wait": func() { rollbar.Wait() },
		// The parent does something in between, and says so by a line.
		"pause": func() {
			rollbar.Wait()
			fmt.Println("paused")
			buffer := make([]byte, 1)
			for {
				if _, err := os.Stdin.Read(buffer); err == io.EOF || buffer[0] == '\n' {
					return
				}
			}
		},
	}
	for _, name := range os.Args[4:] {
		cases[name]()
	}
	rollbar.Close()
}
