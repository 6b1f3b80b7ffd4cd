import { createMemoryTable } from '../../src/adapters/memory/table.ts'
import { tableBackendConformance } from './table-backend.conformance.ts'

tableBackendConformance('memory', createMemoryTable, { runs: 500 })
