// Starting the example, and a browser, as a person would.
import { execFileSync, spawn } from 'node:child_process'
import { webcrypto } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

globalThis.crypto ??= webcrypto // Node 18 has it under this name only

const source = dirname(dirname(fileURLToPath(import.meta.url)))

// startExample runs the example on free ports, with the stand-in unless the settings
// name a Logto. It gives the addresses that the example prints.
export async function startExample(settings = {}) {
  const env = { LOGTO_ENDPOINT: '', LOGTO_AUDIENCE: '', LOGTO_JWKS_URL: '', LOGTO_INSECURE_HTTP: '', METADATA_URL: '' }
  const program = start('.', { ...env, ADDR: '127.0.0.1:0', DEMO_LOGTO_ADDR: '127.0.0.1:0', ...settings })
  const [api, logto] = await program.until(addresses(program.stdout))
  return { api, logto, stop: program.stop }
}

// startMCP runs the MCP server of example/frameworks.
export async function startMCP(settings) {
  const program = start('frameworks/mcp', settings)
  await program.until(listening(program.stderr))
  return program
}

// startLogto runs a stand-in for Logto in which users sign in, without an API.
export async function startLogto(settings) {
  const program = start('browser/logto', settings)
  const [line] = await program.until(once(createInterface({ input: program.stdout }), 'line'))
  return { endpoint: line, stop: program.stop }
}

// start builds the command in a directory beside this one, and runs it.
function start(directory, settings) {
  const temporary = mkdtempSync(join(tmpdir(), 'shopping-'))
  process.once('exit', () => rmSync(temporary, { recursive: true }))
  const binary = join(temporary, 'example')
  execFileSync('go', ['build', '-buildvcs=false', '-o', binary, '.'], { cwd: join(source, directory), stdio: 'inherit' })
  const program = spawn(binary, { env: { ...process.env, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] })
  process.once('exit', () => program.kill()) // a test that ends badly leaves nothing behind
  let log = ''
  program.stderr.on('data', (text) => { log += text })
  const ended = new Promise((resolve) => program.once('close', resolve))
  return {
    stdout: program.stdout,
    stderr: program.stderr,
    until: (started) => Promise.race([started, ended.then(() => { throw new Error(log) })]),
    async stop() {
      program.kill('SIGTERM')
      await ended
      return log
    },
  }
}

// freePort is for a program that has to know its own address beforehand. On a host of
// its own no other program takes the port in the meantime.
export function freePort(host) {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, host, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

// addresses are the first two that are printed: the API's and Logto's.
async function addresses(stdout) {
  const found = []
  for await (const line of createInterface({ input: stdout })) {
    found.push(...(line.match(/http:\/\/[\w.:[\]-]+/g) ?? []))
    if (line.startsWith('# Ctrl-C')) break
  }
  stdout.resume()
  return found
}

async function listening(stderr) {
  for await (const line of createInterface({ input: stderr })) {
    if (line.includes('listening on')) break
  }
  stderr.resume()
}

// startBrowser starts Debian's Chromium. Root can't have its sandbox; the rest
// keeps it from asking anything of the world outside.
export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}
