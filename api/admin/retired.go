package admin

import (
	"fmt"
	"time"

	"tumbler/api/client"
	"tumbler/fsm"
)

// retiredLong is how long a former master key is kept without a word about it.
const retiredLong = 90 * 24 * time.Hour

// retiredKeys are the former master keys that recovery units keep, oldest first.
func retiredKeys(c fsm.Cluster) []client.RetiredKey {
	var out []client.RetiredKey
	for _, k := range c.Retired {
		out = append(out, client.RetiredKey{Pattern: hexText(k.Pattern), Since: k.Since.Time(), Units: k.Units, DestroyedBy: k.Destroyed})
	}
	return out
}

// retiredTooLong warns of those whose end nobody has ordered for long.
func (s *Server) retiredTooLong(keys []client.RetiredKey) (warnings []string) {
	for _, k := range keys {
		if age := s.now().Sub(k.Since); age > retiredLong && k.DestroyedBy == 0 {
			warnings = append(warnings, fmt.Sprintf("crypto unit %s keeps a master key that was retired %d days ago: "+
				"when no backup needs it, `tumbler tke retired destroy %s` ends it", list(k.Units), int(age.Hours()/24), k.Pattern))
		}
	}
	return warnings
}
