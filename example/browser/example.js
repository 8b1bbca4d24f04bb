// Starting the example, and a browser, as a person would.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const source = dirname(dirname(fileURLToPath(import.meta.url)))

// startExample builds the example and runs it on free ports, with the stand-in
// unless the settings name a Logto. It gives the addresses that the example prints.
export async function startExample(settings = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'shopping-'))
  process.once('exit', () => rmSync(directory, { recursive: true }))
  const binary = join(directory, 'example')
  execFileSync('go', ['build', '-buildvcs=false', '-o', binary, '.'], { cwd: source, stdio: 'inherit' })
  const env = { ...process.env, LOGTO_ENDPOINT: '', LOGTO_AUDIENCE: '', LOGTO_JWKS_URL: '', LOGTO_INSECURE_HTTP: '', METADATA_URL: '' }
  const program = spawn(binary, {
    env: { ...env, ADDR: '127.0.0.1:0', DEMO_LOGTO_ADDR: '127.0.0.1:0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  process.once('exit', () => program.kill()) // a test that ends badly leaves nothing behind
  let log = ''
  program.stderr.on('data', (text) => { log += text })
  const ended = new Promise((resolve) => program.once('close', resolve))
  const [api, logto] = await Promise.race([addresses(program.stdout), ended.then(() => { throw new Error(log) })])
  return {
    api,
    logto,
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

// startBrowser starts Debian's Chromium. Root can't have its sandbox; the rest
// keeps it from asking anything of the world outside.
export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}
