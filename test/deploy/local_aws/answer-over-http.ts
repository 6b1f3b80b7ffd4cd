/**
 * Loaded into every function. The CDK's provider framework answers a custom resource over https, at port 443, whatever its
 * ResponseURL says: here the answer goes where the URL says.
 */
import http, { type RequestOptions } from 'node:http'
import https from 'node:https'

const original = https.request

https.request = ((options: RequestOptions, ...rest: never[]) => {
  const port = process.env.LOCAL_AWS_ANSWERS
  if (port === undefined || (options.hostname ?? options.host) !== '127.0.0.1') return Reflect.apply(original, https, [options, ...rest])
  return Reflect.apply(http.request, http, [{ ...options, port, protocol: 'http:', agent: undefined }, ...rest])
}) as typeof https.request
