package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"tumbler/kms"
)

const errorType = "application/vnd.ibm.kms.error+json"

// statuses is the one table from refusals to HTTP. A refusal that lasts is never a 5xx, which the published client
// retries for minutes.
var statuses = map[kms.Code]int{
	kms.ErrUnauthorized.Code:   http.StatusUnauthorized,
	kms.ErrTokenExpired.Code:   http.StatusUnauthorized,
	kms.ErrAPIKey.Code:         http.StatusBadRequest,
	kms.ErrForbidden.Code:      http.StatusForbidden,
	kms.ErrHeader.Code:         http.StatusBadRequest,
	kms.ErrInstance.Code:       http.StatusNotFound,
	kms.ErrNotInitialised.Code: http.StatusConflict,

	kms.ErrBody.Code:      http.StatusBadRequest,
	kms.ErrTooLarge.Code:  http.StatusRequestEntityTooLarge,
	kms.ErrField.Code:     http.StatusBadRequest,
	kms.ErrQuery.Code:     http.StatusBadRequest,
	kms.ErrUnhandled.Code: http.StatusNotImplemented,
	kms.ErrEndpoint.Code:  http.StatusNotFound,
	kms.ErrMethod.Code:    http.StatusMethodNotAllowed,
	kms.ErrKeyRing.Code:   http.StatusNotFound,

	kms.ErrKeyNotFound.Code: http.StatusNotFound,
	kms.ErrKeyDeleted.Code:  http.StatusGone,
	kms.ErrKeyState.Code:    http.StatusConflict,
	kms.ErrNotRoot.Code:     http.StatusBadRequest,
	kms.ErrAliasTaken.Code:  http.StatusConflict,
	kms.ErrTooEarly.Code:    http.StatusConflict,
	kms.ErrTooLate.Code:     http.StatusConflict,
	kms.ErrKeyExists.Code:   http.StatusConflict,
	kms.ErrConflict.Code:    http.StatusConflict,
	kms.ErrCiphertext.Code:  http.StatusUnprocessableEntity,
	kms.ErrSetAside.Code:    http.StatusConflict,
	kms.ErrDiffers.Code:     http.StatusUnprocessableEntity,

	kms.ErrRotationInProgress.Code: http.StatusConflict,

	kms.ErrUnavailable.Code:    http.StatusServiceUnavailable,
	kms.ErrNoRoom.Code:         http.StatusServiceUnavailable,
	kms.ErrOutcomeUnknown.Code: http.StatusServiceUnavailable,
	kms.ErrInternal.Code:       http.StatusInternalServerError,
}

type errorEnvelope struct {
	Metadata  metadata        `json:"metadata"`
	Resources []errorResource `json:"resources"`
}

type errorResource struct {
	Message string   `json:"errorMsg"`
	Reasons []reason `json:"reasons"`
}

type reason struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	Status   int    `json:"status"`
	MoreInfo string `json:"moreInfo,omitempty"`
}

// refusalOf is err as one of the refusals, and its status.
func (s *Server) refusalOf(r *http.Request, err error) (*kms.Error, int) {
	var refusal *kms.Error
	if !errors.As(err, &refusal) {
		refusal = &kms.Error{Code: kms.ErrInternal.Code, Detail: "an unexpected fault", Cause: err}
	}
	status, known := statuses[refusal.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	if status >= http.StatusInternalServerError && !errors.Is(r.Context().Err(), context.Canceled) {
		s.log.Error("a call failed", "correlation", correlationOf(r), "method", r.Method, "path", r.URL.Path, "error", err, "cause", refusal.Cause)
	}
	return refusal, status
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	refusal, status := s.refusalOf(r, err)
	writeJSON(w, status, errorEnvelope{
		Metadata: metadata{CollectionType: errorType, CollectionTotal: 1},
		Resources: []errorResource{{
			Message: fmt.Sprintf("%s: %s (%s)", http.StatusText(status), headline(refusal), refusal.Code),
			Reasons: []reason{{Code: string(refusal.Code), Message: headline(refusal), Status: status}},
		}},
	})
}

func headline(e *kms.Error) string {
	if e.Detail == "" {
		return "the call was refused"
	}
	return e.Detail
}
