package client

import (
	"context"
	"fmt"
	"net/http"
)

// LoadPartRequest brings a unit one key part of the open order (POST units/{n}/parts). The importer key to seal it to is in
// the `ready` statement of that unit, in the order's receipt.
type LoadPartRequest struct {
	Order    string `json:"order"`    // digest
	Envelope []byte `json:"envelope"` // order.Envelope (DER), signed by an administrator
}

// LoadedPart is what became of it. The same part again is the same answer, while it waits.
type LoadedPart struct {
	// Reply is an order.SignedPartReply (DER): the unit's own word to the custodian, with the part's verification pattern and
	// the numbers of the parts that wait. Absent where the unit had put all parts together before: it does not know them any more.
	Reply []byte `json:"reply,omitempty"`
	// Loaded: the unit has put all parts together, and its new register is Full Uncommitted.
	Loaded bool `json:"loaded"`
}

// ClearCurrentRequest empties a unit's current register (POST units/{n}/clear-current).
type ClearCurrentRequest struct {
	// Approval is an order.SignedApproval (DER) of the unit's own signature threshold, for the unit at its present generation.
	Approval []byte `json:"approval"`
}

// LoadPart brings a unit one key part. Bringing it again is safe.
func (c *Client) LoadPart(ctx context.Context, unit uint32, r LoadPartRequest) (LoadedPart, error) {
	return call[LoadedPart](ctx, c, request{method: http.MethodPost, path: fmt.Sprintf("/units/%d/parts", unit), effect: idempotent}, r)
}

// ClearCurrent empties a unit's current register, which is Empty when it returns. It is refused if no other unit would hold the
// master key. Doing it again with the same approval is safe: an approval is good for one generation of the unit.
func (c *Client) ClearCurrent(ctx context.Context, unit uint32, approval []byte) (UnitAnswer, error) {
	return call[UnitAnswer](ctx, c, request{method: http.MethodPost, path: fmt.Sprintf("/units/%d/clear-current", unit), effect: idempotent}, ClearCurrentRequest{approval})
}
