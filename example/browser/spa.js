// What a single-page application does with Logto's SDK. The test bundles it, with SETTINGS,
// and calls what it leaves in the window.
import LogtoClient from '@logto/browser'

const logto = new LogtoClient(SETTINGS)

async function start() {
  if (await logto.isSignInRedirected(location.href)) {
    await logto.handleSignInCallback(location.href)
    history.replaceState(null, '', '/')
  }
  document.body.textContent = await logto.isAuthenticated() ? `Hello, ${(await logto.getIdTokenClaims()).username}` : 'Nobody is signed in'
}

// call asks the API, in an organization or in none.
async function call(path, organization) {
  const token = await logto.getAccessToken(SETTINGS.resources[0], organization)
  const answer = await fetch(`/api${path}`, { headers: { Authorization: `Bearer ${token}` } })
  return answer.status
}

Object.assign(window, { logto, call })
start()
