import { spawn } from 'node:child_process'

/** Kills process groups whose starter is gone: a stopped group would otherwise stay for ever. */
export interface ProcessReaper {
  watch(pid: number): void
  forget(pid: number): void
}

// Its standard input ends when this process ends, however it does, SIGKILL included.
const script = `groups=' '
while read -r verb pid; do
  if [ "$verb" = watch ]; then groups="$groups$pid "; continue; fi
  kept=' '
  for group in $groups; do [ "$group" = "$pid" ] || kept="$kept$group "; done
  groups=$kept
done
for group in $groups; do kill -s KILL -- "-$group"; done`

let shared: ProcessReaper | undefined

/** One small shell per process that starts environments, started with the first of them. */
export function processReaper(): ProcessReaper {
  shared ??= startReaper()
  return shared
}

function startReaper(): ProcessReaper {
  // A session of its own: a Ctrl-C in the terminal must not end the reaper before it has done its work.
  const shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  shell.unref()
  const { stdin } = shell
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
  stdin.on('error', () => {
    shared = undefined
  })
  return {
    watch: (pid) => stdin.write(`watch ${pid}\n`),
    forget: (pid) => stdin.write(`forget ${pid}\n`),
  }
}
