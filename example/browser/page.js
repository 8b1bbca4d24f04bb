// What a person does on the page, and what they see there.
import assert from 'node:assert/strict'
import axe from 'axe-core'

const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

// openPage opens the page as in a browser of its own. Whatever goes wrong in it
// without a word is found when the test calls close: what is asked of others than the
// API, and than Logto if it is named, too.
export async function openPage(browser, api, { before, logto = api, ...options } = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    const refusal = /^Failed to load resource: the server responded with a status of 40[1-4] /.test(message.text())
    if (message.type() === 'error' && !refusal) faults.push(message.text())
  })
  page.on('request', (request) => {
    if (![`${api}/`, `${logto}/`, 'data:'].some((start) => request.url().startsWith(start))) faults.push(request.url())
  })
  await before?.(page)
  await page.goto(api)
  return {
    page,
    async close({ allow } = {}) {
      assert.deepEqual(faults.filter((fault) => !allow?.test(fault)), [])
      await context.close()
    },
  }
}

// pick chooses an application and waits for its token.
export async function pick(page, application) {
  await page.getByRole('radio', { name: application }).check()
  await claim(page, 'sub', application)
}

// signIn signs a person in at Logto's page, and waits for the token.
export async function signIn(page, name) {
  await page.getByRole('button', { name: /^Sign in as / }).click()
  await page.getByRole('button', { name, exact: true }).click()
  await claim(page, 'sub', name)
}

// claim waits until the token says this. What shows it may be folded.
export async function claim(page, name, value) {
  await page.locator('#claims > div', { has: page.getByText(name, { exact: true }) }).getByText(value, { exact: true }).first().waitFor({ state: 'attached' })
}

// unfold opens what is folded.
export async function unfold(page) {
  await page.locator('details').evaluateAll((all) => { for (const details of all) details.open = true })
}

// send chooses what goes to the API.
export async function send(page, choice, sentence) {
  await page.getByRole('radio', { name: choice, exact: true }).check()
  await page.getByText(sentence).waitFor()
}

// call presses the route's button and reads the answer below it.
export async function call(page, route) {
  const button = page.getByRole('button', { name: route, exact: true })
  const row = page.getByRole('listitem').filter({ has: button })
  await button.click()
  await row.locator('.result').waitFor()
  return row.evaluate((li) => {
    const texts = [...li.querySelectorAll('.result dd')].map((dd) => (dd.querySelector('.challenge') ?? dd).textContent)
    return {
      why: li.querySelector('.why').textContent,
      badge: li.querySelector('.badge').textContent,
      status: texts[0],
      challenge: texts.length > 2 ? texts[1] : '',
      body: texts.at(-1),
      words: [...li.querySelectorAll('.result ul li')].map((item) => item.textContent),
      asked: li.querySelector('[data-step=scope] .value')?.textContent,
      steps: [...li.querySelectorAll('.steps li')].map((step) => [step.dataset.step, step.className]),
      news: document.getElementById('news').textContent,
    }
  })
}

// checkAccess finds what axe-core can find.
export async function checkAccess(page, state) {
  await page.evaluate(axe.source)
  const { violations, passes } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), tags)
  const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${state}: ${id}: ${node.html}: ${node.failureSummary}`))
  assert.deepEqual(found, [])
  assert.ok(passes.some(({ id }) => id === 'color-contrast'), 'contrast was looked at')
}

// checkWidth wants nothing to be reached by scrolling sideways.
export async function checkWidth(page, state) {
  const { content, view } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, view: document.documentElement.clientWidth }))
  assert.ok(content <= view, `${state}: ${content} px of content in ${view} px`)
}
