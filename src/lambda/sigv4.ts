import { createHash, createHmac } from 'node:crypto'

/** Credentials of the function's role, as Lambda puts them into the environment. */
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface Scope {
  readonly region: string
  readonly service: string
  readonly credentials: AwsCredentials
  readonly nowMs: number
}

/** A GET of `https://<host>/` with the query, signed in its query (AWS Signature Version 4). */
export function presignedUrl(host: string, query: Readonly<Record<string, string>>, expiresSeconds: number, scope: Scope): string {
  const { timestamp, credential } = stampOf(scope)
  const signed: Record<string, string> = {
    ...query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': credential,
    'X-Amz-Date': timestamp,
    'X-Amz-Expires': String(expiresSeconds),
    'X-Amz-SignedHeaders': 'host',
    ...(scope.credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': scope.credentials.sessionToken }),
  }
  const text = Object.keys(signed)
    .sort()
    .map((name) => `${encode(name)}=${encode(signed[name] ?? '')}`)
    .join('&')
  const signature = sign(['GET', '/', text, `host:${host}\n`, 'host', sha256('')].join('\n'), scope)
  return `https://${host}/?${text}&X-Amz-Signature=${signature}`
}

/** Headers for a POST of `body` to `https://<host>/`; `headers` have lower-case names and are signed with it. */
export function signedHeaders(host: string, headers: Readonly<Record<string, string>>, body: string, scope: Scope): Record<string, string> {
  const { timestamp, credential } = stampOf(scope)
  const all: Record<string, string> = {
    ...headers,
    host,
    'x-amz-date': timestamp,
    ...(scope.credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': scope.credentials.sessionToken }),
  }
  const names = Object.keys(all).sort()
  const lines = names.map((name) => `${name}:${all[name]}\n`).join('')
  const signature = sign(['POST', '/', '', lines, names.join(';'), sha256(body)].join('\n'), scope)
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return { ...all, authorization }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Uint8Array, text: string): Uint8Array => createHmac('sha256', key).update(text).digest()
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

function stampOf({ region, service, credentials, nowMs }: Scope) {
  const timestamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const path = `${timestamp.slice(0, 8)}/${region}/${service}/aws4_request`
  return { timestamp, path, credential: `${credentials.accessKeyId}/${path}` }
}

function sign(request: string, scope: Scope): string {
  const { timestamp, path } = stampOf(scope)
  const key = path.split('/').reduce<string | Uint8Array>((secret, part) => hmac(secret, part), `AWS4${scope.credentials.secretAccessKey}`)
  return Buffer.from(hmac(key, ['AWS4-HMAC-SHA256', timestamp, path, sha256(request)].join('\n'))).toString('hex')
}
