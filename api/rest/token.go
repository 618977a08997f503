package rest

import (
	"errors"
	"mime"
	"net/http"

	"tumbler/kms"
)

const apiKeyGrant = "urn:ibm:params:oauth:grant-type:apikey"

// tokenAnswer is what the token service answers (RFC 6749, 5.1, and what the published client reads).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	Expiration   int64  `json:"expiration"` // seconds since the Unix epoch
	Scope        string `json:"scope"`
}

// tokenRefusal is the token service's error, which is not that of the key interface.
type tokenRefusal struct {
	Code    string       `json:"errorCode"`
	Message string       `json:"errorMessage"`
	Context tokenContext `json:"context"`
}

type tokenContext struct {
	RequestID string `json:"requestId"`
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	secret, err := tokenRequest(r)
	var token kms.Token
	if err == nil {
		token, err = s.kms.IssueToken(r.Context(), secret, callerOf(r))
	}
	if err != nil {
		refusal, status := s.refusalOf(r, err)
		writeJSON(w, status, tokenRefusal{string(refusal.Code), headline(refusal), tokenContext{correlationOf(r)}})
		return
	}
	writeJSON(w, http.StatusOK, tokenAnswer{
		AccessToken: token.AccessToken, RefreshToken: "not_supported", TokenType: "Bearer",
		ExpiresIn: int64(token.Life.Seconds()), Expiration: token.Expires.Unix(), Scope: "tumbler kms",
	})
}

// tokenRequest gives the API key in the form.
func tokenRequest(r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return "", &kms.Error{Code: kms.ErrHeader.Code, Detail: "content-type: want application/x-www-form-urlencoded"}
	}
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return "", bodyError(err)
		}
		return "", &kms.Error{Code: kms.ErrBody.Code, Detail: "the form cannot be read", Cause: err}
	}
	if grants := r.PostForm["grant_type"]; len(grants) != 1 || grants[0] != apiKeyGrant {
		return "", &kms.Error{Code: kms.ErrBody.Code, Detail: "grant_type: want " + apiKeyGrant}
	}
	keys := r.PostForm["apikey"]
	if len(keys) != 1 {
		return "", &kms.Error{Code: kms.ErrBody.Code, Detail: "apikey: want exactly one"}
	}
	return keys[0], nil
}
