#!/usr/bin/env bash
# A Tumbler cluster on this machine: every node a process of its own, TLS everywhere, on loopback.
# It touches only what it started itself: a folder with its marker, and processes whose id and start time it noted.
set -euo pipefail

usage() {
  cat <<'USAGE'
dev-cluster.sh COMMAND [FLAGS]

  up         make the cluster if it is not there yet, start every node that does not run, and print where they are
  status     show each node, and the cluster
  kill N     kill node N with SIGKILL
  stop N     stop node N with SIGTERM, and wait for it
  start N    start node N, and wait until it is healthy
  await N    wait until node N serves
  down       stop every node; --delete removes the folder too

Flags (up remembers them in the folder, and the other commands need --dir alone):
  --operational K   operational nodes (3)
  --recovery K      recovery nodes (2); crypto units are numbered from 1, operational ones first
  --dir DIR         folder for certificates, configurations and data (.dev-cluster)
  --base-port P     unit N has its API at P + 10 N, and three more ports after it ($TUMBLER_DEV_PORT, or 8433)
  --binary FILE     the program (bin/tumbler)
  --log-level L     of the nodes (info)
  --delete          with down: remove the folder

Example:
  scripts/dev-cluster.sh up --operational 3 --recovery 2
  . .dev-cluster/env && bin/tumbler cluster members
USAGE
}

die() {
  printf 'dev-cluster: %s\n' "$*" >&2
  exit 1
}

misuse() {
  printf 'dev-cluster: %s\n' "$*" >&2
  usage >&2
  exit 2
}

command=${1:-}
[ -n "$command" ] || misuse 'no command'
shift
dir=.dev-cluster operational='' recovery='' base_port='' binary='' log_level='' delete=no unit=''
while [ $# -gt 0 ]; do
  case $1 in
    --operational | --recovery | --dir | --base-port | --binary | --log-level)
      [ $# -ge 2 ] || misuse "$1 needs a value"
      case $1 in
        --operational) operational=$2 ;;
        --recovery) recovery=$2 ;;
        --dir) dir=$2 ;;
        --base-port) base_port=$2 ;;
        --binary) binary=$2 ;;
        --log-level) log_level=$2 ;;
      esac
      shift 2
      ;;
    --delete) delete=yes && shift ;;
    -h | --help) usage && exit 0 ;;
    -*) misuse "unknown flag $1" ;;
    *)
      [ -z "$unit" ] || misuse "one argument too many: $1"
      unit=$1
      shift
      ;;
  esac
done
marker=$dir/.tumbler-dev-cluster

is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

# --- what the folder remembers

load() {
  [ -f "$marker" ] || die "there is no cluster in $dir: dev-cluster.sh up --dir $dir makes one"
  local key value
  while IFS='=' read -r key value; do
    case $key in
      operational) operational=$value ;;
      recovery) recovery=$value ;;
      base_port) base_port=$value ;;
      instance) instance=$value ;;
      log_level) log_level=${log_level:-$value} ;;
      binary) binary=${binary:-$value} ;;
    esac
  done <"$marker"
  nodes=$((operational + recovery))
  dir=$(cd "$dir" && pwd)
  marker=$dir/.tumbler-dev-cluster
  [ -x "$binary" ] || die "$binary is not there: make build, or give --binary FILE"
}

create() {
  operational=${operational:-3} recovery=${recovery:-2} base_port=${base_port:-${TUMBLER_DEV_PORT:-8433}} binary=${binary:-bin/tumbler} log_level=${log_level:-info}
  is_number "$operational" && is_number "$recovery" && is_number "$base_port" || misuse '--operational, --recovery and --base-port are numbers'
  [ "$operational" -ge 1 ] || misuse '--operational must be at least 1'
  [ $((base_port + 10 * (operational + recovery) + 3)) -le 65535 ] || misuse "--base-port $base_port is too high for that many nodes"
  [ -x "$binary" ] || die "$binary is not there: make build, or give --binary FILE"
  binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
  if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ]; then
    die "$dir is not empty and is not a cluster of this script: name another folder with --dir"
  fi
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  marker=$dir/.tumbler-dev-cluster
  instance=$(new_uuid)
  nodes=$((operational + recovery))

  "$binary" pki init --dir "$dir/pki" >/dev/null
  "$binary" pki client --dir "$dir/pki" --name admin >/dev/null
  new_key >"$dir/gossip.key" && chmod 600 "$dir/gossip.key"
  mkdir -m 700 "$dir/tke"
  local n
  for n in $(seq 1 "$nodes"); do
    mkdir -m 700 "$dir/node-$n"
    "$binary" pki node --dir "$dir/pki" --number "$n" >/dev/null
    new_key >"$dir/node-$n/sealing.key" && chmod 600 "$dir/node-$n/sealing.key"
    configure "$n" >"$dir/node-$n/node.yaml"
  done
  environment >"$dir/env"
  printf 'operational=%s\nrecovery=%s\nbase_port=%s\ninstance=%s\nlog_level=%s\nbinary=%s\n' \
    "$operational" "$recovery" "$base_port" "$instance" "$log_level" "$binary" >"$marker"
}

new_key() { (umask 077 && head -c 32 /dev/urandom | base64); }

new_uuid() {
  local h
  h=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '%s-%s-4%s-8%s-%s\n' "${h:0:8}" "${h:8:4}" "${h:13:3}" "${h:17:3}" "${h:20:12}"
}

api() { echo $((base_port + 10 * $1)); }

role() { if [ "$1" -le "$operational" ]; then echo operational; else echo recovery; fi; }

configure() {
  local port
  port=$(api "$1")
  cat <<YAML
instance: $instance
number: $1
role: $(role "$1")
data_dir: data
listen:
  api: $port
  cluster: $((port + 1))
  gossip: $((port + 2))
  health_loopback_plaintext: $((port + 3))
tls:
  ca: ../pki/ca.pem
  cert: ../pki/node-$1.pem
  key: ../pki/node-$1.key
gossip:
  key_file: ../gossip.key
sealing:
  key_file: sealing.key
log:
  level: $log_level
  format: text
YAML
}

addresses() {
  local n list=''
  for n in $(seq 1 "$nodes"); do list=$list,localhost:$(api "$n"); done
  echo "${list#,}"
}

environment() {
  cat <<ENV
# . this file: it tells tumbler where the cluster is.
export TUMBLER_ADDRESS=$(addresses)
export TUMBLER_CA='$dir/pki/ca.pem'
export TUMBLER_CERT='$dir/pki/client-admin.pem'
export TUMBLER_KEY='$dir/pki/client-admin.key'
export TUMBLER_INSTANCE=$instance
export CLOUDTKEFILES='$dir/tke'
export TUMBLER_AGE_WORK_FACTOR=\${TUMBLER_AGE_WORK_FACTOR:-12}
if [ -f '$dir/manager.key' ]; then
  TUMBLER_API_KEY=\$(cat '$dir/manager.key')
  export TUMBLER_API_KEY
fi
ENV
}

# --- processes: an id counts only together with the time at which that process started

start_time() {
  if [ -r "/proc/$1/stat" ]; then
    # the name, in parentheses, may hold blanks; the start time is the 20th field after it
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
  else
    ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'
  fi
}

# running N: prints the id of node N's process, if it is the one that was started here
running() {
  local pid started
  [ -f "$dir/node-$1/pid" ] || return 1
  read -r pid started <"$dir/node-$1/pid" || return 1
  is_number "$pid" && [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] || return 1
  # a child that has ended and is not waited for yet still has its id
  if [ -r "/proc/$pid/stat" ] && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -c 1)" = Z ]; then return 1; fi
  echo "$pid"
}

healthy() { # N PATH: whether the loopback port answers 200
  local answer=''
  exec 3<>"/dev/tcp/127.0.0.1/$(($(api "$1") + 3))" || return 1
  printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
  IFS= read -r -t 5 answer <&3 || true
  exec 3>&-
  case $answer in *' 200 '*) return 0 ;; esac
  return 1
}

await() { # N PATH: until it is healthy, or has ended
  local tries=0
  until (healthy "$1" "$2") 2>/dev/null; do
    running "$1" >/dev/null || {
      tail -n 20 "$dir/node-$1/log" >&2
      die "node $1 has ended: its log is $dir/node-$1/log"
    }
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || die "node $1 is not healthy after a minute ($2): its log is $dir/node-$1/log"
    sleep 0.1
  done
}

launch() {
  local pid
  running "$1" >/dev/null && return 0
  # a session of its own: Ctrl-C in this terminal does not reach it
  if command -v setsid >/dev/null; then
    setsid "$binary" node run --config "$dir/node-$1/node.yaml" >>"$dir/node-$1/log" 2>&1 </dev/null &
  else
    nohup "$binary" node run --config "$dir/node-$1/node.yaml" >>"$dir/node-$1/log" 2>&1 </dev/null &
  fi
  pid=$!
  printf '%s %s\n' "$pid" "$(start_time "$pid")" >"$dir/node-$1/pid"
}

halt() { # N SIGNAL
  local pid tries=0
  pid=$(running "$1") || return 0
  kill "-$2" "$pid"
  while running "$1" >/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -eq 200 ] && [ "$2" = TERM ]; then
      printf 'dev-cluster: node %s has not stopped after 20 s: killing it\n' "$1" >&2
      kill -KILL "$pid"
    fi
    [ "$tries" -lt 400 ] || die "node $1 (process $pid) does not end"
    sleep 0.1
  done
  rm -f "$dir/node-$1/pid"
}

checked_unit() {
  [ -n "$unit" ] || misuse "$command needs the number of a node"
  is_number "$unit" && [ "$unit" -ge 1 ] && [ "$unit" -le "$nodes" ] || misuse "there is no node $unit: 1 to $nodes"
}

tumbler() { # N ARGUMENTS: as the administrator, of node N
  local n=$1
  shift
  "$binary" "$@" --address "localhost:$(api "$n")" --ca "$dir/pki/ca.pem" --cert "$dir/pki/client-admin.pem" --key "$dir/pki/client-admin.key"
}

# --- commands

up() {
  if [ -f "$marker" ]; then load; else create; fi
  local n token
  for n in $(seq 1 "$nodes"); do launch "$n"; done
  for n in $(seq 1 "$nodes"); do await "$n" /healthz; done
  if [ ! -f "$dir/manager.key" ]; then
    tumbler 1 cluster bootstrap --api-key-out "$dir/manager.key" >/dev/null
  fi
  for n in $(seq 2 "$nodes"); do
    [ ! -f "$dir/node-$n/joined" ] || continue
    token=$(tumbler 1 cluster token create --ttl 10m --unit "$n" | sed -n 's/^Token: *//p')
    TUMBLER_JOIN_TOKEN=$token tumbler "$n" cluster join --member "localhost:$(($(api 1) + 1))" >/dev/null
    : >"$dir/node-$n/joined"
  done
  status
  printf '\nTo use it:  . %s\n' "$dir/env"
}

status() {
  local n pid state
  printf '%-6s %-12s %-16s %-16s %-8s %s\n' NODE ROLE API HEALTH PROCESS STATE
  for n in $(seq 1 "$nodes"); do
    if pid=$(running "$n"); then
      state=starting
      if (healthy "$n" /healthz) 2>/dev/null; then state=healthy; fi
      if (healthy "$n" /readyz) 2>/dev/null; then state=ready; fi
    else
      pid=- state=stopped
    fi
    printf '%-6s %-12s %-16s %-16s %-8s %s\n' "$n" "$(role "$n")" "localhost:$(api "$n")" "127.0.0.1:$(($(api "$n") + 3))" "$pid" "$state"
  done
}

case $command in
  up) up ;;
  status)
    load
    status
    ;;
  kill)
    load
    checked_unit
    running "$unit" >/dev/null || die "node $unit does not run, or is not the process that was started here"
    halt "$unit" KILL
    ;;
  stop)
    load
    checked_unit
    running "$unit" >/dev/null || die "node $unit does not run, or is not the process that was started here"
    halt "$unit" TERM
    ;;
  start)
    load
    checked_unit
    if running "$unit" >/dev/null; then die "node $unit runs already"; fi
    launch "$unit"
    await "$unit" /healthz
    ;;
  await)
    load
    checked_unit
    await "$unit" /readyz
    ;;
  down)
    load
    for n in $(seq 1 "$nodes"); do halt "$n" TERM; done
    if [ "$delete" = yes ]; then rm -rf "$dir"; fi
    ;;
  -h | --help | help) usage ;;
  *) misuse "unknown command $command" ;;
esac
