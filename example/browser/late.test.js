// Answers of the page's helpers and of the API that come late, or not at all. What
// one application got must not be shown, or sent, as another's.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startBrowser, startExample } from './example.js'
import { call, claim, openPage, pick, send } from './page.js'

let example
let browser
before(async () => {
  example = await startExample()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await example?.stop()
})

// hold keeps requests back until what it returns is called, which waits for an answer.
async function hold(page, path, body) {
  let release
  const released = new Promise((resolve) => { release = resolve })
  const held = (request) => request.url().endsWith(path) && (request.postData() ?? '').includes(body)
  await page.route(`**${path}`, async (route) => {
    if (held(route.request())) await released
    await route.fallback() // others may be held as well
  })
  return async () => {
    const answer = page.waitForResponse((response) => held(response.request()))
    release()
    await (await answer).finished()
  }
}

test('an answer that comes late is not taken for the present one', async () => {
  const { page, close } = await openPage(browser, example.api)
  await claim(page, 'sub', 'shop-manager')
  const releaseReader = await hold(page, '/demo/token', 'shop-reader')
  await page.getByRole('radio', { name: 'shop-reader' }).check()
  await pick(page, 'no-role')
  await releaseReader()
  assert.match((await call(page, 'GET /products')).why, /holds no scope at all/)
  assert.ok((await page.locator('#request').textContent()).includes(btoa('no-role:no-role-secret')))

  const releaseExpired = await hold(page, '/demo/expired', '')
  await page.getByRole('radio', { name: 'Expired' }).check()
  await send(page, 'ID token', 'who has signed in')
  await claim(page, 'sub', 'no-role') // it is made of the token that was issued
  await releaseExpired()
  assert.match((await call(page, 'GET /me')).why, /not an access token/)
  await close()
})

test('an example that has ended is told of, and one that is back is found', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-reader')
  const products = page.getByRole('button', { name: 'GET /products', exact: true })
  const trouble = page.getByRole('alert').getByText('Is it still running?')
  await page.route('**', (route) => route.abort('connectionrefused'))
  await products.click()
  await trouble.waitFor()
  await page.getByRole('radio', { name: 'no-role' }).check()
  await page.locator('#parts[hidden]').waitFor({ state: 'attached' })
  await trouble.waitFor()
  await page.unroute('**')
  assert.match((await call(page, 'GET /products')).why, /holds no scope at all/)
  assert.equal(await page.getByRole('alert').count(), 0, 'the trouble is over')
  await close({ allow: /ERR_CONNECTION_REFUSED/ })
})

const refuse = (page) => page.route('**/demo/token', (route) => route.abort('connectionrefused'))
const refused = { allow: /ERR_CONNECTION_REFUSED/ }
const radio = (page, name) => page.getByRole('radio', { name, exact: true })

async function checkNoRole(page) {
  await claim(page, 'sub', 'no-role')
  const got = await call(page, 'POST /products')
  assert.match(got.why, /^403 Forbidden: .* holds no scope at all/)
}

test('what to send is chosen before the token is there', async () => {
  const { page, close } = await openPage(browser, example.api)
  await claim(page, 'sub', 'shop-manager')
  const release = await hold(page, '/demo/token', 'no-role')
  await page.getByRole('radio', { name: 'no-role' }).check()
  await radio(page, 'Rewritten').check()
  await release()
  await send(page, 'As issued', 'unchanged')
  await checkNoRole(page)
  await close()
})

test('a token that could not be had is not another application\'s', async () => {
  const { page, close } = await openPage(browser, example.api)
  await claim(page, 'sub', 'shop-manager')
  await refuse(page)
  await page.getByRole('radio', { name: 'no-role' }).check()
  await page.getByRole('alert').waitFor()
  for (const id of ['request', 'answer', 'granted', 'sending']) {
    assert.equal(await page.locator(`#${id}`).textContent(), '', id)
  }
  const failed = page.waitForEvent('requestfailed')
  await radio(page, 'Rewritten').check()
  await failed
  assert.equal(await page.getByRole('alert').count(), 1, 'the trouble is not over')
  await page.unroute('**/demo/token')
  await send(page, 'As issued', 'unchanged')
  await checkNoRole(page)
  await close(refused)
})

test('a call waits for what is chosen while it waits', async () => {
  const { page, close } = await openPage(browser, example.api)
  await claim(page, 'sub', 'shop-manager')
  const releaseReader = await hold(page, '/demo/token', 'shop-reader')
  const releaseNoRole = await hold(page, '/demo/token', 'no-role')
  const called = page.waitForRequest((request) => request.method() === 'POST' && request.url() === `${example.api}/products`)
  await page.getByRole('radio', { name: 'shop-reader' }).check()
  await page.getByRole('button', { name: 'POST /products', exact: true }).click()
  await page.getByRole('radio', { name: 'no-role' }).check()
  await releaseReader()
  await releaseNoRole()
  const [, claims] = (await called).headers().authorization.split('.')
  assert.equal(JSON.parse(Buffer.from(claims, 'base64url')).sub, 'no-role')
  await page.locator('.why').getByText('403 Forbidden').waitFor()
  await checkNoRole(page)
  await close()
})

test('a token is asked for when there was none to make another of', async () => {
  for (const [choice, sentence, why] of [
    ['Rewritten', 'Somebody has written every scope', /signature is wrong/],
    ['Expired', 'two hours ago', /the token expired/],
  ]) {
    const { page, close } = await openPage(browser, example.api, { before: refuse })
    await page.getByRole('alert').getByText('Is it still running?').waitFor()
    await page.unroute('**/demo/token')
    await send(page, choice, sentence)
    await claim(page, 'sub', 'shop-manager')
    assert.match((await call(page, 'GET /me')).why, why)
    await close(refused)
  }
})

test('of two calls the result of the later one stays', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-reader')
  const release = await hold(page, '/products', '')
  await page.getByRole('button', { name: 'GET /products', exact: true }).click()
  await call(page, 'GET /me')
  await release()
  await page.evaluate(() => fetch('/healthz').then((answer) => answer.text())) // the page has had its turn
  assert.match(await page.locator('#news').textContent(), /^GET \/me: 200 OK/)
  await close()
})

test('the button that asks for a token can be pressed again', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-reader')
  await refuse(page)
  await page.locator('#renew').press('Enter')
  await page.getByRole('alert').waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.id), 'renew')
  assert.equal(await page.getByRole('timer').count(), 0, 'no token, no time')
  await page.unroute('**/demo/token')
  await page.keyboard.press('Enter')
  await claim(page, 'sub', 'shop-reader')
  await close(refused)
})

test('a fault of the page is not said to be one of the example', async () => {
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'shop-reader')
  await page.route('**/me', (route) => route.fulfill({ headers: { 'Demo-Steps': 'unheard-of=passed' } }))
  const fault = page.waitForEvent('pageerror')
  await page.getByRole('button', { name: 'GET /me', exact: true }).click()
  assert.ok(await fault)
  assert.equal(await page.getByRole('alert').count(), 0)
  await close({ allow: /TypeError/ })
})

// Browsers put back what was chosen, after the script has run and without an event.
test('after Back, what is chosen, shown and sent belong together', async () => {
  const answers = { 'shop-manager': '201 Created', 'no-role': '403 Forbidden' }
  const { page, close } = await openPage(browser, example.api)
  await pick(page, 'no-role')
  await leaveAndComeBack(page)
  const application = await page.locator('[name=caller]:checked').getAttribute('value')
  assert.equal(await page.locator('#claims > div', { hasText: /^sub/ }).locator('.mono').textContent(), application)
  assert.equal((await call(page, 'POST /products')).status, answers[application])

  await send(page, 'No token', 'no Authorization header')
  await leaveAndComeBack(page)
  const sends = await page.locator('[name=send]:checked').getAttribute('value')
  assert.equal(await page.locator('#parts[hidden]').count(), sends === 'none' ? 1 : 0)
  assert.equal((await call(page, 'GET /me')).status, sends === 'none' ? '401 Unauthorized' : '200 OK')
  await close()
})

async function leaveAndComeBack(page) {
  await page.goto(`${example.api}/healthz`)
  await page.goBack()
  await page.locator('#sending').filter({ hasText: /./ }).waitFor() // the token is there
}
