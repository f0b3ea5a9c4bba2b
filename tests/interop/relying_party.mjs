// A relying party made of openid-client. It reads commands from standard input and answers on standard output, both
// as JSON, one a line; whatever the library refuses comes back as {"refused": ...}.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const AUTHENTICATION = {
  client_secret_basic: oidc.ClientSecretBasic,
  client_secret_post: oidc.ClientSecretPost,
  none: oidc.None,
}

let config, checks, redirectUri, tokens

// The issuer of the tests is http on loopback.
const overHttp = { execute: [oidc.allowInsecureRequests] }

const commands = {
  async discover({ issuer, client }) {
    const authentication = AUTHENTICATION[client.token_endpoint_auth_method](client.client_secret)
    config = await oidc.discovery(new URL(issuer), client.client_id, undefined, authentication, overHttp)
    // The signature of an ID token that came from the token endpoint need not be checked; here it is.
    oidc.enableNonRepudiationChecks(config)
    return { ...config.serverMetadata(), supportsPKCE: config.serverMetadata().supportsPKCE() }
  },

  async begin({ redirect_uri, scope, parameters = {} }) {
    redirectUri = redirect_uri
    checks = {
      pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
      expectedNonce: oidc.randomNonce(),
      expectedState: oidc.randomState(),
    }
    if (parameters.max_age !== undefined) checks.maxAge = Number(parameters.max_age)
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri,
      scope,
      code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      nonce: checks.expectedNonce,
      state: checks.expectedState,
      ...parameters,
    })
    return { url: url.href }
  },

  // The address that the browser was sent to, or the form that it posted there.
  async finish({ url, form }) {
    const response = form
      ? new Request(redirectUri, { method: 'POST', body: new URLSearchParams(form) })
      : new URL(url)
    return remember(await oidc.authorizationCodeGrant(config, response, checks))
  },

  async refresh({ scope }) {
    return remember(await oidc.refreshTokenGrant(config, tokens.refresh_token, scope ? { scope } : {}))
  },

  async client_credentials({ scope }) {
    return oidc.clientCredentialsGrant(config, scope ? { scope } : {})
  },

  async introspect({ token }) {
    return oidc.tokenIntrospection(config, tokens[token])
  },

  async revoke({ token }) {
    await oidc.tokenRevocation(config, tokens[token])
    return {}
  },

  async end_session({ parameters }) {
    return { url: oidc.buildEndSessionUrl(config, parameters).href }
  },

  async userinfo({ subject }) {
    return oidc.fetchUserInfo(config, tokens.access_token, subject)
  },
}

function remember(found) {
  tokens = { ...tokens, ...found }
  return { ...found, claims: found.claims(), expires_in: found.expiresIn() }
}

function explain(error) {
  return {
    name: error.constructor.name,
    code: error.code,
    error: error.error,
    description: error.error_description,
    status: error.status,
    message: error.message,
    cause: error.cause?.message,
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line)
  let answer
  try {
    answer = { answer: await commands[command](given) }
  } catch (error) {
    answer = { refused: explain(error) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
