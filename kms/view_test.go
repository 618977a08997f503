package kms_test

import (
	"tumbler/fsm"
	"tumbler/kms"
)

// The replicated state's view is what this package reads.
var _ kms.View = (*fsm.View)(nil)
