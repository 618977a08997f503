package node

import (
	"context"
	"encoding/json"

	"tumbler/cryptounit/order"
)

// loadPartAnswer is the answer of callLoadPart, whose body is an envelope (DER).
type loadPartAnswer struct {
	Reply  []byte `json:"reply,omitempty"`
	Loaded bool   `json:"loaded"`
}

// loadPart hands a key part to this node's unit. What it replies is the custodian's: it is not logged.
func (c *calls) loadPart(ctx context.Context, from uint32, body []byte) ([]byte, error) {
	envelope, err := order.DecodeEnvelope(body)
	if err != nil {
		return nil, err
	}
	reply, loaded, err := c.speaker.LoadPart(ctx, *envelope)
	if err != nil {
		return nil, err
	}
	c.log.Info("the unit took a key part", "part", envelope.Part, "order", envelope.Order.String(), "loaded", loaded, "asked_by_node", from)
	answer := loadPartAnswer{Loaded: loaded}
	if reply != nil {
		if answer.Reply, err = reply.Encode(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(answer)
}

// LoadPart hands a key part to a unit, and gives its reply.
func (c *calls) LoadPart(ctx context.Context, number uint32, envelope []byte) (reply []byte, loaded bool, err error) {
	body, err := c.cluster.Call(ctx, number, callLoadPart, envelope)
	if err != nil {
		return nil, false, across(err)
	}
	var answer loadPartAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, err
	}
	return answer.Reply, answer.Loaded, nil
}
