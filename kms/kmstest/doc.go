// Package kmstest is a replicated state and a crypto unit in memory, for tests of what stands above them. They keep the
// contracts of kms.Proposer, kms.Reader, kms.View and kms.Unit, and a test may turn the master key at any moment.
package kmstest
