package cluster

import "fmt"

func tableName(index, term uint64) string { return fmt.Sprintf("%020d-%020d.table", index, term) }
