package kms

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// bulkCall is how many keys one call makes, and bulkBytes how many bytes of material: well below what a node takes.
const (
	bulkCall  = 1000
	bulkBytes = 512 << 10
)

func importCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "import",
		Usage: "make or import many keys at once",
		Description: "FILE holds a key a line, as JSON: name, and as you need them payload (the material, base64), aliases, description,\n" +
			"extractable (true: a standard key), id (a UUID of your own). A key without payload is made in a crypto unit.\n" +
			"The whole file is read and checked before anything is sent. Keys are made a thousand at a time, all of a thousand or\n" +
			"none; if one is refused, what was made before it stays, and --from goes on behind it.\n\n" +
			"Example:\n   echo '{\"name\":\"orders\",\"aliases\":[\"orders\"],\"payload\":\"…\"}' > keys.jsonl\n" +
			"   tumbler kms import --bulk keys.jsonl --ids made.jsonl",
		Flags: slices.Concat([]urfave.Flag{command.TextFlag("bulk", "`FILE` with a key a line; - is standard input"),
			command.TextFlag("ids", "write name and id of every key made to a new `FILE`, a line each"),
			command.TextFlag("from", "begin at this `LINE` of the file, from 1")}, command.KmsFlags()),
		Action: kmsAction(s, bulkImport),
	}
}

// bulkLine is one key of the file.
type bulkLine struct {
	ID          string   `json:"id,omitempty"`
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Aliases     []string `json:"aliases,omitempty"`
	Extractable bool     `json:"extractable,omitempty"`
	Payload     []byte   `json:"payload,omitempty"`
}

func bulkImport(ctx context.Context, i *invocation, connect func() (*client.KMS, error)) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	path := i.Text("bulk", "")
	if path == "" {
		return i.Usage("--bulk is missing: name the file with the keys")
	}
	from, given, err := i.Number("from", 1, 1<<40)
	if err != nil {
		return err
	}
	if !given {
		from = 1
	}
	keys, err := i.readBulk(path, int(from))
	if err != nil {
		return err
	}
	ids := io.Discard
	if out := i.Text("ids", ""); out != "" {
		file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("writing the ids: %w: name a file that does not exist yet", err)
		}
		defer func() { _ = file.Close() }()
		ids = file
	}
	kms, err := connect()
	if err != nil {
		return err
	}
	defer kms.Close()
	if err := i.sendBulk(ctx, kms, keys, int(from), ids); err != nil {
		return err
	}
	return i.Done(map[string]int{"keys": len(keys)}, command.Plural(uint64(len(keys)), "key")+" made.", "OK")
}

// readBulk reads and checks the whole file, and gives the keys from a line on.
func (i *invocation) readBulk(path string, from int) ([]client.BulkKey, error) {
	in := i.Streams.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	var keys []client.BulkKey
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<10)
	number := 0
	for lines.Scan() {
		number++
		key, err := decodeBulk(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d of %s: %w: nothing was sent", number, path, err)
		}
		if number >= from {
			keys = append(keys, key)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d of %s: %w: nothing was sent", number+1, path, err)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key from line %d on", path, from)
	}
	return keys, nil
}

func decodeBulk(raw []byte) (client.BulkKey, error) {
	var l bulkLine
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return client.BulkKey{}, fmt.Errorf("it is not a key as JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return client.BulkKey{}, errors.New("there is more than one JSON value")
	}
	if l.Name == "" {
		return client.BulkKey{}, errors.New("the key has no name")
	}
	return client.BulkKey{ID: l.ID, CreateKeyRequest: client.CreateKeyRequest{
		Name: l.Name, Description: l.Description, Aliases: l.Aliases, Extractable: l.Extractable, Payload: l.Payload,
	}}, nil
}

// sendBulk makes the keys, call by call, and writes what their ids are. line is where the first stands.
func (i *invocation) sendBulk(ctx context.Context, kms *client.KMS, keys []client.BulkKey, line int, ids io.Writer) error {
	shown := i.Counter("Importing keys", len(keys))
	defer shown.Stop()
	out := json.NewEncoder(ids)
	for done := 0; done < len(keys); {
		n := bulkSize(keys[done:])
		made, err := kms.CreateMany(ctx, keys[done:done+n])
		if err != nil {
			return fmt.Errorf("lines %d to %d: %w; the keys of earlier lines were made: mend the file, then go on with --from %d",
				line+done, line+done+n-1, err, line+done)
		}
		for j, id := range made {
			if err := out.Encode(struct {
				Name string `json:"name"`
				ID   string `json:"id"`
			}{keys[done+j].Name, id}); err != nil {
				return fmt.Errorf("writing the ids of lines %d to %d, whose keys were made: %w", line+done, line+done+n-1, err)
			}
		}
		done += n
		shown.Show(done)
	}
	return nil
}

// bulkSize is how many of the keys go into the next call.
func bulkSize(keys []client.BulkKey) int {
	n, size := 0, 0
	for n < min(len(keys), bulkCall) && (n == 0 || size+len(keys[n].Payload) <= bulkBytes) {
		size += len(keys[n].Payload)
		n++
	}
	return n
}
