package rest

import (
	"context"
	"net/http"

	"tumbler/kms"
)

func (s *Server) wrap(ctx context.Context, r request, in action) (answer, error) {
	out, err := s.kms.Wrap(ctx, r.caller, r.key(), in.Plaintext, in.AAD)
	return acted(out, err)
}

func (s *Server) unwrap(ctx context.Context, r request, in action) (answer, error) {
	out, err := s.kms.Unwrap(ctx, r.caller, r.key(), in.Ciphertext, in.AAD)
	return acted(out, err)
}

func (s *Server) rewrap(ctx context.Context, r request, in action) (answer, error) {
	out, err := s.kms.Rewrap(ctx, r.caller, r.key(), in.Ciphertext, in.AAD)
	return acted(out, err)
}

func (s *Server) rotate(ctx context.Context, r request, in rotation) (answer, error) {
	if in.EncryptedNonce != "" || in.IV != "" || in.Algorithm != "" {
		return answer{}, &kms.Error{Code: kms.ErrUnhandled.Code, Detail: noImportTokens}
	}
	if err := s.kms.Rotate(ctx, r.caller, r.key(), in.Payload); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func acted(w kms.Wrapped, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, action{
		Plaintext: w.Plaintext, Ciphertext: w.Ciphertext, KeyVersion: versionOf(&w.Version), Rewrapped: versionOf(w.Rewrapped),
	}}, nil
}
