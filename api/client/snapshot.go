package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// ArchiveType is the media type of an archive.
const ArchiveType = "application/octet-stream"

// Snapshot is an archive on its way.
type Snapshot struct {
	io.ReadCloser       // ends with an error if the archive was not whole
	Size          int64 // bytes
	Address       string
}

// Snapshot has a node make an archive of the cluster's state, with the sealed file of a crypto unit; 0: of none. The caller
// closes it.
func (c *Client) Snapshot(ctx context.Context, unit uint32) (*Snapshot, error) {
	query := url.Values{}
	if unit > 0 {
		query.Set("unit", strconv.FormatUint(uint64(unit), 10))
	}
	answer, err := c.t.stream(ctx, request{
		method: http.MethodGet, path: Prefix + "/cluster/snapshot", query: query, header: http.Header{"Accept": {ArchiveType}}, fail: refusal,
	})
	if err != nil {
		return nil, err
	}
	return &Snapshot{ReadCloser: answer.Body, Size: answer.ContentLength, Address: answer.Request.URL.Host}, nil
}
