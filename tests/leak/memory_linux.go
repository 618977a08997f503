package leak

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// mapping is a range of a process's memory.
type mapping struct {
	from, to uint64
	readable bool
	excluded bool // from core dumps: VM_DONTDUMP, "dd" in smaps
	name     string
}

// mappings reads /proc/PID/smaps.
func mappings(pid int) (list []mapping, err error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		var m mapping
		var permissions string
		switch n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &m.from, &m.to, &permissions); {
		case n == 3:
			m.readable = permissions[0] == 'r'
			if len(fields) > 5 {
				m.name = fields[5]
			}
			list = append(list, m)
		case len(list) > 0 && fields[0] == "VmFlags:":
			for _, flag := range fields[1:] {
				list[len(list)-1].excluded = list[len(list)-1].excluded || flag == "dd"
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("process %d has no memory: it has ended", pid)
	}
	return list, nil
}

// memory searches that of a stopped process as its core dump would show it, and what such a dump leaves out apart from
// that.
func (s *searcher) memory(dump, excluded *place, source string, pid int) error {
	list, err := mappings(pid)
	if err != nil {
		return err
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return fmt.Errorf("%w: searching a node's memory takes root, or the right to trace it (CAP_SYS_PTRACE)", err)
	}
	defer mem.Close()
	for _, m := range list {
		if !m.readable || m.name == "[vvar]" || m.name == "[vvar_vclock]" || m.name == "[vsyscall]" {
			continue
		}
		p := dump
		if m.excluded {
			p = excluded
		}
		r := &pages{mem: mem, at: int64(m.from), end: int64(m.to), file: strings.HasPrefix(m.name, "/")}
		if err := s.stream(p, fmt.Sprintf("%s, %x-%x %s", source, m.from, m.to, m.name), r); err != nil {
			return err
		}
	}
	return nil
}

// pages reads a range of memory; where it is a file's, no more than the file has.
type pages struct {
	mem     *os.File
	at, end int64
	file    bool
}

func (p *pages) Read(b []byte) (int, error) {
	if p.at >= p.end {
		return 0, io.EOF
	}
	n, err := p.mem.ReadAt(b[:min(int64(len(b)), p.end-p.at)], p.at)
	p.at += int64(n)
	if n > 0 {
		return n, nil
	}
	if p.file && errors.Is(err, syscall.EIO) {
		return 0, io.EOF
	}
	return 0, err
}
