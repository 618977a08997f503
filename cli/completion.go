package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
)

const bashCompletion = `# bash completion for tumbler: source this file, or put it into /etc/bash_completion.d/
_tumbler() {
  local cur words
  COMPREPLY=()
  cur="${COMP_WORDS[COMP_CWORD]}"
  words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  if [[ "$cur" == -* ]]; then
    words+=("$cur")
  fi
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _tumbler tumbler
`

const zshCompletion = `#compdef tumbler
# zsh completion for tumbler: put this file into a folder of $fpath as _tumbler, or source it
_tumbler() {
  local -a opts words
  local cur="${words[CURRENT]}"
  words=("${(@)${(z)BUFFER}}")
  if [[ "$BUFFER" == *[[:space:]] ]]; then
    opts=("${(@f)$("${words[@]}" --generate-bash-completion 2>/dev/null)}")
  elif [[ "${words[-1]}" == -* ]]; then
    opts=("${(@f)$("${words[@]}" --generate-bash-completion 2>/dev/null)}")
  else
    opts=("${(@f)$("${(@)words[1,-2]}" --generate-bash-completion 2>/dev/null)}")
  fi
  [[ -n "${opts[1]}" ]] && compadd -a opts || _files
}
compdef _tumbler tumbler
`

func completionCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "completion",
		Usage:       "print a script that completes commands and flags in a shell",
		ArgsUsage:   "bash|zsh",
		Description: "Example:\n   source <(tumbler completion bash)",
		Flags:       command.OutputFlags(),
		BashComplete: func(c *urfave.Context) {
			_, _ = fmt.Fprintln(c.App.Writer, "bash\nzsh")
		},
		Action: command.Action(s, func(_ context.Context, i *command.Invocation) error {
			args, err := i.Arguments("SHELL (bash or zsh)")
			if err != nil {
				return err
			}
			scripts := map[string]string{"bash": bashCompletion, "zsh": zshCompletion}
			script, ok := scripts[args[0]]
			if !ok {
				return i.Usage("there is no completion for %s: bash and zsh have one", strconv.Quote(args[0]))
			}
			return i.Result(map[string]string{"shell": args[0], "script": script}, func(w io.Writer) { _, _ = io.WriteString(w, script) })
		}),
	}
}
