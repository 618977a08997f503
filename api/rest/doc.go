// Package rest is the key interface over HTTP: /identity/token and /api/v2. It reads a request, asks package kms and
// writes the answer in the form that the published clients know. It decides nothing: what is allowed is kms's to say.
//
// It promises: a request that is malformed, too large or unknown gets one error in the published envelope and changes
// nothing; no answer carries more of a fault of ours than its correlation id.
package rest
