# shellcheck shell=bash
# guest.sh - what the benches in guests share: an agent that runs in memory, and policies for it. Sourced.

# While the guest waits for its disk, its clock leaps from timer to timer: whoever waits for a write seems to wait for ever.
# So the agent and what it writes are in memory.
start_agent() { # AGENT BACKEND POLICY -> agent, pid
  mkdir -p /var/lib/aegisbpf /run/bin
  mount -t tmpfs -o mode=700 state /var/lib/aegisbpf
  cp -r "$(dirname "$1")"/* /run/bin/
  agent=/run/bin/${1##*/}
  "$agent" run --policy "$3" --backend "$2" --fallback refuse --events /run/events.jsonl >/run/agent.log 2>&1 &
  pid=$!
  for ((i = 0; i < 600; i++)); do
    [ ! -S /run/aegisbpf/control.sock ] || break
    kill -0 "$pid" 2>/dev/null || { cat /run/agent.log >&2; exit 1; }
    sleep 0.1
  done
  "$agent" health --json --require-enforce >/run/health.json || { cat /run/health.json /run/agent.log >&2; exit 1; }
}

rules() { # PATH...: a rule for each, as JSON
  local i=0 path comma=''
  for path in "$@"; do
    printf '%s{"id":"r%d","paths":["%s"]}' "$comma" "$((i++))" "$path"
    comma=,
  done
}

policy() { # SERIAL RULES [ALLOWED_CGROUP [SCOPES]]: the last two as JSON
  printf '{"version":1,"name":"bench","serial":%d,"mode":"enforce","scopes":{%s},"allow":{"cgroups":[%s]},"rules":[%s]}\n' \
    "$1" "${4:-}" "${3:+\"$3\"}" "$2" >"/run/bench-$1.yaml"
}
