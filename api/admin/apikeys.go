package admin

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tumbler/api/client"
	"tumbler/fsm"
)

func (s *Server) apiKeys(ctx context.Context, _ request) (client.APIKeys, error) {
	out := client.APIKeys{APIKeys: []client.APIKey{}}
	err := s.read(ctx, func(v View) error {
		records, err := v.APIKeys()
		for _, record := range records {
			out.APIKeys = append(out.APIKeys, APIKey(record))
		}
		return err
	})
	return out, err
}

func (s *Server) createAPIKey(ctx context.Context, r request, in client.CreateAPIKeyRequest) (client.CreatedAPIKey, error) {
	if n := utf8.RuneCountInString(in.Name); n < 2 || n > 90 || strings.ContainsFunc(in.Name, isControl) {
		return client.CreatedAPIKey{}, invalid("the name must have 2 to 90 printable characters")
	}
	switch in.Role {
	case client.RoleManager, client.RoleWriter, client.RoleReader:
	default:
		return client.CreatedAPIKey{}, invalid("%q is not a role: want Manager, Writer or Reader", in.Role)
	}
	record, secret, err := s.b.Node.NewAPIKey(in.Name, in.Role, r.Client)
	if err != nil {
		return client.CreatedAPIKey{}, err
	}
	if _, err := s.b.Proposer.Propose(ctx, &fsm.CreateAPIKey{APIKey: record}); err != nil {
		return client.CreatedAPIKey{}, err
	}
	return client.CreatedAPIKey{APIKey: APIKey(record), Secret: secret}, nil
}

func (s *Server) deleteAPIKey(ctx context.Context, r request) (client.Done, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return client.Done{}, notFound("%q is no API key's id", r.PathValue("id"))
	}
	_, err = s.b.Proposer.Propose(ctx, &fsm.DeleteAPIKey{ID: fsm.ID(id)})
	return client.Done{Message: "the API key was deleted"}, err
}

// APIKey is a record as it travels; Node.Bootstrap needs it too.
func APIKey(record fsm.APIKeyRecord) client.APIKey {
	return client.APIKey{ID: uuidText(record.ID), Name: record.Name, Role: record.Role,
		CreatedAt: record.Created.At.Time(), CreatedBy: record.Created.By}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
