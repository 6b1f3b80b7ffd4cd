import licenses from 'spdx-license-list/full.js'

/** The texts of the open-source licences that SPDX lists, 5 MB of English: one record per line. */
export default (): readonly string[] =>
  Object.values(licenses).flatMap(({ licenseText }) => licenseText.split('\n').filter((line) => line.trim() !== ''))
