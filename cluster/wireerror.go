package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
)

// errNotLeader: the called node does not lead, and has done nothing.
var errNotLeader = errors.New("the node does not lead")

// A wireError is the body of a call's answer that is no result.
type wireError struct {
	Code    string `json:"code,omitempty"` // of a sentinel below
	Message string `json:"message"`
	Leader  uint32 `json:"leader,omitempty"` // who leads instead, if known
}

// wireCode is the name of an error that keeps its identity between nodes. The names are part of the protocol.
type wireCode struct {
	code string
	err  error
}

// wireCodes are in order of importance: an error that is several of them travels as the first.
func wireCodes() []wireCode {
	return []wireCode{
		{"unconfirmed", errMaybe},
		{"outcome-unknown", ErrOutcomeUnknown},
		{"not-leader", errNotLeader},
		{"no-leader", ErrNoLeader},
		{"shutdown", ErrShutdown},
		{"not-bootstrapped", ErrNotBootstrapped},
		{"other-cluster", ErrOtherCluster},
		{"not-member", ErrNotMember},
		{"last-voter", ErrLastVoter},
		{"unknown-method", ErrUnknownMethod},
		{"no-admission", ErrNoAdmission},
		{"not-admitted", ErrNotAdmitted},
		{"lost-log", ErrLostLog},
		{"number-taken", ErrNumberTaken},
		{"too-large", ErrTooLarge},
		{"unreachable", ErrUnreachable},
	}
}

func encodeError(err error, leader uint32) []byte {
	out := wireError{Message: err.Error(), Leader: leader}
	for _, c := range wireCodes() {
		if errors.Is(err, c.err) {
			out.Code = c.code
			break
		}
	}
	b, _ := json.Marshal(out) // strings and a number
	return b
}

// decodeError gives a RemoteError, whatever the body.
func decodeError(body []byte, node uint32, method string) *RemoteError {
	var in wireError
	if err := json.Unmarshal(body, &in); err != nil || in.Message == "" {
		in = wireError{Message: fmt.Sprintf("an answer that is not understood, %d bytes", len(body))}
	}
	out := &RemoteError{Node: node, Method: method, Message: in.Message, leader: in.Leader}
	for _, c := range wireCodes() {
		if c.code == in.Code {
			out.kind = c.err
		}
	}
	return out
}
