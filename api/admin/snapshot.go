package admin

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"tumbler/api/client"
)

// snapshot answers with an archive, as a stream of known size: one that ends early was not whole.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	unit, err := number(request{r, caller(r)}, "unit", 0)
	if err == nil && unit > math.MaxUint32 {
		err = invalid("unit=%d is not a unit number", unit)
	}
	if err != nil {
		s.finish(w, r, started, nil, err)
		return
	}
	archive, err := s.b.Checks.Archive(r.Context(), uint32(unit))
	if err != nil {
		s.finish(w, r, started, nil, err)
		return
	}
	defer func() { _ = archive.Close() }() // it is only let go
	w.Header().Set("Content-Type", client.ArchiveType)
	w.Header().Set("Content-Length", strconv.FormatInt(archive.Size, 10))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	err = archive.Write(w)
	line := []any{"client", caller(r), "method", r.Method, "path", r.URL.Path, "unit", unit, "remote", r.RemoteAddr, "bytes", archive.Size,
		"duration", time.Since(started).Round(time.Microsecond).String()}
	if err != nil { // the answer has begun: that it ends early says that it failed
		s.log.Warn("admin call", append(line, "result", "broken off", "error", err.Error())...)
		return
	}
	s.log.Info("admin call", append(line, "status", http.StatusOK, "result", "ok")...)
}
