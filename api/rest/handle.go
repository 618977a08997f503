package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"tumbler/kms"
)

type correlationKey struct{}

func correlationOf(r *http.Request) string {
	id, _ := r.Context().Value(correlationKey{}).(string)
	return id
}

// correlationID is the caller's if it gives a decent one, else a new one.
func correlationID(r *http.Request) string {
	id := r.Header.Get("Correlation-Id")
	ok := len(id) > 0 && len(id) <= 128 && !strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' })
	if !ok {
		return uuid.NewString()
	}
	return id
}

// bodyRule says whether a call has a body.
type bodyRule int

const (
	noBody   bodyRule = iota // whatever is there is not read
	mayBody                  // none is the empty one
	needBody                 // none is an error
)

// request is what an endpoint gets.
type request struct {
	*http.Request
	caller kms.Caller
}

func (r request) key() string { return r.PathValue("key") }

// prefers tells whether the caller asks for return=what (RFC 7240).
func (r request) prefers(what string) bool {
	for _, value := range r.Header.Values("Prefer") {
		for _, preference := range strings.Split(value, ",") {
			if strings.EqualFold(strings.TrimSpace(preference), "return="+what) {
				return true
			}
		}
	}
	return false
}

// answer is a status and what is written as JSON; nil: no body.
type answer struct {
	status int
	body   any
}

// handle is the one generic handler: it reads the body strictly, calls the endpoint and writes what it gives.
func handle[In any](s *Server, rule bodyRule, endpoint func(context.Context, request, In) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		out := answer{}
		err := decode(r, rule, &in)
		if err == nil {
			out, err = endpoint(r.Context(), request{r, callerOf(r)}, in)
		}
		switch {
		case err != nil:
			s.writeError(w, r, err)
		case out.body == nil:
			w.WriteHeader(out.status)
		default:
			writeJSON(w, out.status, out.body)
		}
	}
}

func callerOf(r *http.Request) kms.Caller {
	c := kms.Caller{
		Instance: r.Header.Get("Bluemix-Instance"), KeyRing: r.Header.Get("X-Kms-Key-Ring"),
		Correlation: correlationOf(r), Remote: r.RemoteAddr,
	}
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if found && strings.EqualFold(scheme, "Bearer") {
		c.Token = strings.TrimSpace(token)
	}
	return c
}

// decode reads one JSON value with known fields, and nothing after it.
func decode(r *http.Request, rule bodyRule, into any) error {
	if rule == noBody {
		return nil
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if errors.Is(err, io.EOF) && rule == mayBody {
		return nil
	}
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("there is more after the JSON value")
		}
	}
	return bodyError(err)
}

func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &kms.Error{Code: kms.ErrTooLarge.Code, Detail: "the request is larger than this service reads"}
	}
	var refused *kms.Error
	if errors.As(err, &refused) {
		return refused
	}
	detail := "the body is not the JSON that this call takes"
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		detail = "the body is empty"
	case errors.As(err, &kind):
		detail += ": a value of another type in " + kind.Field
	case errors.As(err, &syntax):
		detail += ": it is not JSON"
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		detail += ": it has a field that this call does not know"
	}
	return &kms.Error{Code: kms.ErrBody.Code, Detail: detail, Cause: err}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, `{"resources":[{"errorMsg":"the answer cannot be written"}]}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // a caller that has gone away needs no answer
}
