package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"tumbler/api/client"
)

// request is one call, as endpoints see it.
type request struct {
	*http.Request
	Client string // name of the administrator's certificate
}

// get makes a handler of an endpoint that takes no body.
func get[Out any](s *Server, f func(context.Context, request) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		if r.ContentLength != 0 {
			s.finish(w, r, started, nil, invalid("this request takes no body"))
			return
		}
		out, err := f(r.Context(), request{r, caller(r)})
		s.finish(w, r, started, out, err)
	}
}

// post makes a handler of an endpoint that takes a JSON object.
func post[In, Out any](s *Server, f func(context.Context, request, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		var in In
		if err := decode(w, r, &in); err != nil {
			s.finish(w, r, started, nil, err)
			return
		}
		out, err := f(r.Context(), request{r, caller(r)}, in)
		s.finish(w, r, started, out, err)
	}
}

// decode reads exactly one JSON object with known fields only.
func decode(w http.ResponseWriter, r *http.Request, in any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &client.Error{Code: client.CodeUnsupportedType,
			Message: "the body is not JSON", Hint: "send Content-Type: application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &client.Error{Code: client.CodeTooLarge,
			Message: fmt.Sprintf("the body is over %d bytes", MaxBody), Hint: "send less"}
	}
	if err != nil {
		return invalid("the body broke off: %v", err)
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return invalid("the body is not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return invalid("the body is not what this request takes: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("the body goes on after its JSON object")
	}
	return nil
}

// finish answers, and leaves the line in the log: who, what, result.
func (s *Server) finish(w http.ResponseWriter, r *http.Request, started time.Time, out any, err error) {
	who := caller(r)
	if who == "" {
		who = "-"
	}
	line := []any{"client", who, "method", r.Method, "path", r.URL.Path, "remote", r.RemoteAddr, "duration", time.Since(started).Round(time.Microsecond).String()}
	if err != nil {
		refusal := s.refusal(err)
		line = append(line, "status", refusal.Status, "result", string(refusal.Code), "message", refusal.Message)
		if refusal.Status == http.StatusInternalServerError {
			s.log.Error("admin call", append(line, "error", err.Error())...)
		} else {
			s.log.Warn("admin call", line...)
		}
		write(w, refusal.Status, client.ErrorBody{Error: *refusal})
		return
	}
	s.log.Info("admin call", append(line, "status", http.StatusOK, "result", "ok")...)
	write(w, http.StatusOK, out)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The client is gone if this fails, and there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
