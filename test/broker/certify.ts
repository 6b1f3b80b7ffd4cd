import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const password = 'grain-and-stone'

/** A key pair in `folder` that names localhost: a listener's settings for it, and its certificate as PEM, which nobody vouches for. */
export const certify = async (folder: string): Promise<{ readonly settings: Record<string, string>; readonly certificate: string }> => {
  const keystore = join(folder, 'broker.p12')
  const certificate = join(folder, 'broker.pem')
  const store = ['-keystore', keystore, '-storetype', 'PKCS12', '-storepass', password, '-alias', 'broker']
  const names = ['-dname', 'CN=localhost', '-ext', 'SAN=dns:localhost,ip:127.0.0.1']
  await promisify(execFile)('keytool', ['-genkeypair', '-keyalg', 'EC', '-validity', '2', ...names, ...store])
  await promisify(execFile)('keytool', ['-exportcert', '-rfc', '-file', certificate, ...store])
  const settings = { 'ssl.keystore.type': 'PKCS12', 'ssl.keystore.location': keystore, 'ssl.keystore.password': password }
  return { settings, certificate: await readFile(certificate, 'utf8') }
}
