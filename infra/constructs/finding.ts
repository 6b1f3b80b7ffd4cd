import { Annotations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'

/** What stands against a deployment: what is wrong with which operator or property, and what to do about it. */
export interface Finding {
  readonly message: string
  readonly remedy: string
}

/** Marks a construct with all of them: `cdk synth` shows each with the line that made the construct, and `cdk deploy` refuses. */
export function refuse(scope: Construct, findings: readonly Finding[]): void {
  for (const { message, remedy } of findings) Annotations.of(scope).addError(`${message}. ${remedy}`)
}

/** Properties of an options object that are not the user's: the type leaves them out, and who writes no types is told here. */
export function refusedProperties(name: string, options: object, refused: Readonly<Record<string, string>>): readonly Finding[] {
  return Object.keys(options).flatMap((key) => {
    const why = refused[key]
    return why === undefined ? [] : [{ message: `${name}.${key} cannot be set`, remedy: `${why}.` }]
  })
}
