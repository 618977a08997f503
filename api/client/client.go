package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Prefix is where the administration interface lies on a node's API port.
const Prefix = "/admin/v1"

// Client talks to the administration interface. It is safe for concurrent use.
type Client struct {
	t *transport
}

// New makes a client. It reads the certificates and connects to nobody yet.
func New(c Config) (*Client, error) {
	if c.CertFile == "" {
		return nil, &ConfigError{"client certificate", fmt.Errorf("not given: the administration interface asks for one with SAN URI tumbler://client/<name>: make it with `tumbler pki client`")}
	}
	t, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	return &Client{t}, nil
}

// Close lets idle connections go.
func (c *Client) Close() { c.t.close() }

// Status asks the first address what it knows of itself and of the cluster.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, request{method: http.MethodGet, path: "/status", first: true}, nil)
}

// Members lists the cluster's members.
func (c *Client) Members(ctx context.Context) (Members, error) {
	return call[Members](ctx, c, request{method: http.MethodGet, path: "/members"}, nil)
}

// Bootstrap makes the node at the first address the only member of a new cluster.
func (c *Client) Bootstrap(ctx context.Context) (Bootstrapped, error) {
	return call[Bootstrapped](ctx, c, request{method: http.MethodPost, path: "/cluster/bootstrap", effect: changes, first: true}, BootstrapRequest{})
}

// Join has the node at the first address join the cluster of a member, whose Raft address it gets, with a join token's
// secret.
func (c *Client) Join(ctx context.Context, member, token string) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodPost, path: "/cluster/join", effect: changes, first: true}, JoinRequest{member, token})
}

// Leave has the node at the first address leave its cluster.
func (c *Client) Leave(ctx context.Context) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodPost, path: "/cluster/leave", effect: changes, first: true}, LeaveRequest{})
}

// Remove takes a member out of the cluster.
func (c *Client) Remove(ctx context.Context, number uint32) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodPost, path: "/cluster/remove", effect: changes}, RemoveRequest{number})
}

// TransferLeader hands leadership to a member; 0 chooses the one that is most up to date.
func (c *Client) TransferLeader(ctx context.Context, number uint32) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodPost, path: "/cluster/transfer-leader", effect: changes}, TransferRequest{number})
}

// Digest has every node compute the digest of its replicated state at one index.
func (c *Client) Digest(ctx context.Context) (DigestReport, error) {
	return call[DigestReport](ctx, c, request{method: http.MethodPost, path: "/cluster/digest", effect: idempotent, limit: -1}, DigestRequest{})
}

// Log reads up to limit entries of the first address's Raft log from an index on (0: its first; limit 0: 100, at most
// 1,000).
func (c *Client) Log(ctx context.Context, from uint64, limit int) (Log, error) {
	query := url.Values{}
	if from > 0 {
		query.Set("from", strconv.FormatUint(from, 10))
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return call[Log](ctx, c, request{method: http.MethodGet, path: "/cluster/log", query: query, first: true}, nil)
}

// Tokens lists join tokens.
func (c *Client) Tokens(ctx context.Context) (Tokens, error) {
	return call[Tokens](ctx, c, request{method: http.MethodGet, path: "/cluster/tokens"}, nil)
}

// CreateToken makes a join token; its secret is in the answer only.
func (c *Client) CreateToken(ctx context.Context, r CreateTokenRequest) (CreatedToken, error) {
	return call[CreatedToken](ctx, c, request{method: http.MethodPost, path: "/cluster/tokens", effect: changes}, r)
}

// RevokeToken makes a join token useless.
func (c *Client) RevokeToken(ctx context.Context, id string) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodDelete, path: "/cluster/tokens/" + url.PathEscape(id), effect: changes}, nil)
}

// Units lists crypto units with fresh signed reports of those that answer.
func (c *Client) Units(ctx context.Context) (Units, error) {
	return call[Units](ctx, c, request{method: http.MethodGet, path: "/units"}, nil)
}

// SetAdministrators installs the first administrators of a unit that is in imprint mode.
func (c *Client) SetAdministrators(ctx context.Context, number uint32, r SetAdministratorsRequest) (UnitAnswer, error) {
	path := fmt.Sprintf("/units/%d/administrators", number)
	return call[UnitAnswer](ctx, c, request{method: http.MethodPost, path: path, effect: idempotent}, r)
}

// Zeroize clears everything in a unit, which is then a new one.
func (c *Client) Zeroize(ctx context.Context, number uint32, r ZeroizeRequest) (Zeroized, error) {
	return call[Zeroized](ctx, c, request{method: http.MethodPost, path: fmt.Sprintf("/units/%d/zeroize", number), effect: changes}, r)
}

// OrderContext gives what a workstation needs to make an order.
func (c *Client) OrderContext(ctx context.Context) (OrderContext, error) {
	return call[OrderContext](ctx, c, request{method: http.MethodGet, path: "/orders/context"}, nil)
}

// SubmitOrder hands in a signed order (DER). Handing it in again is safe.
func (c *Client) SubmitOrder(ctx context.Context, signedOrder []byte) (SubmittedOrder, error) {
	return call[SubmittedOrder](ctx, c, request{method: http.MethodPost, path: "/orders", effect: idempotent}, SubmitOrderRequest{signedOrder})
}

// Approve hands in administrators' signatures (an Approval, DER) for the step that an open order holds. Handing them in
// again is safe.
func (c *Client) Approve(ctx context.Context, digest string, approval []byte) (Done, error) {
	path := "/orders/" + url.PathEscape(digest) + "/approvals"
	return call[Done](ctx, c, request{method: http.MethodPost, path: path, effect: idempotent}, ApprovalRequest{approval})
}

// DryRun opens every blob and looks at every precondition of a rotation, and changes nothing. It takes as long as that
// takes: bound it by the context.
func (c *Client) DryRun(ctx context.Context) (DryRun, error) {
	return call[DryRun](ctx, c, request{method: http.MethodPost, path: "/dry-run", effect: idempotent, limit: -1}, DryRunRequest{})
}

// Rotation gives the open rotation, or the last.
func (c *Client) Rotation(ctx context.Context) (RotationStatus, error) {
	return call[RotationStatus](ctx, c, request{method: http.MethodGet, path: "/rotation"}, nil)
}

// WaitRotation gives the rotation as soon as its version is above the one given, or as it is after the wait (at most one
// minute). Versions are a node's own: after a change of node the answer may come at once.
func (c *Client) WaitRotation(ctx context.Context, version uint64, wait time.Duration) (RotationStatus, error) {
	query := url.Values{"version": {strconv.FormatUint(version, 10)}, "wait": {wait.String()}}
	return call[RotationStatus](ctx, c, request{method: http.MethodGet, path: "/rotation", query: query, limit: wait + c.t.timeout}, nil)
}

// Pace asks every unit to pause, to go on, or to keep to a rate, and gives the rotation as it is then.
func (c *Client) Pace(ctx context.Context, ask PaceRequest) (RotationStatus, error) {
	return call[RotationStatus](ctx, c, request{method: http.MethodPost, path: "/rotation/pace", effect: idempotent}, ask)
}

// Rotations gives the history, newest first.
func (c *Client) Rotations(ctx context.Context) (Rotations, error) {
	return call[Rotations](ctx, c, request{method: http.MethodGet, path: "/rotations"}, nil)
}

// Receipt gives the evidence of an order.
func (c *Client) Receipt(ctx context.Context, digest string) (Receipt, error) {
	return call[Receipt](ctx, c, request{method: http.MethodGet, path: "/rotations/" + url.PathEscape(digest) + "/receipt"}, nil)
}

// APIKeys lists API keys, without their secrets.
func (c *Client) APIKeys(ctx context.Context) (APIKeys, error) {
	return call[APIKeys](ctx, c, request{method: http.MethodGet, path: "/apikeys"}, nil)
}

// CreateAPIKey makes an API key; its secret is in the answer only.
func (c *Client) CreateAPIKey(ctx context.Context, r CreateAPIKeyRequest) (CreatedAPIKey, error) {
	return call[CreatedAPIKey](ctx, c, request{method: http.MethodPost, path: "/apikeys", effect: changes}, r)
}

// DeleteAPIKey takes an API key away. Tokens that it gave expire by themselves.
func (c *Client) DeleteAPIKey(ctx context.Context, id string) (Done, error) {
	return call[Done](ctx, c, request{method: http.MethodDelete, path: "/apikeys/" + url.PathEscape(id), effect: changes}, nil)
}

// call is one call of the administration interface.
func call[T any](ctx context.Context, c *Client, r request, body any) (T, error) {
	var result T
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return result, err
		}
		r.body, r.header = encoded, http.Header{"Content-Type": {"application/json"}}
	}
	r.path, r.fail = Prefix+r.path, refusal
	err := c.t.call(ctx, r, &result)
	return result, err
}

// refusal reads an answer that is not a success. One that is not of this interface becomes an Error all the same.
func refusal(answer *http.Response, body []byte) error {
	var wire ErrorBody
	if json.Unmarshal(body, &wire) != nil || wire.Error.Code == "" {
		wire.Error = Error{Code: CodeInternal, Hint: "check that the address is a node's API address",
			Message: fmt.Sprintf("%s answered %s without an explanation: %.200s", answer.Request.URL.Host, answer.Status, strings.TrimSpace(string(body)))}
	}
	wire.Error.Status, wire.Error.Address = answer.StatusCode, answer.Request.URL.Host
	return &wire.Error
}
