package orders

import (
	"errors"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

// TestOvertakenOrdersSayWhatToDo: the cluster refuses them, and the command names the one that makes them again.
func TestOvertakenOrdersSayWhatToDo(t *testing.T) {
	for _, code := range []client.Code{"order_number", "order_expired", "order_units", "order_cluster", client.CodePatternMismatch} {
		err := overtaken(&client.Error{Code: code, Message: "no", ReturnCode: 163}, &order.Order{Kind: order.Enrol})
		var refusal *client.Error
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Hint, "make it again (`tumbler tke enrol`)") || refusal.ReturnCode != 163 {
			t.Errorf("%s: %+v", code, err)
		}
	}
	open := &client.Error{Code: client.CodeRotationOpen, Message: "no"}
	if err := overtaken(open, &order.Order{Kind: order.Enrol}); err != error(open) {
		t.Error(err)
	}
}
