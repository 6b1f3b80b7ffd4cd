import { joinWindows, minutes, Serdes, StreamsBuilder } from 'millrace'

interface Profile {
  readonly name: string
  readonly plan: string
}

/** What change data capture writes of a database row: the row before and after. */
interface ProfileChange {
  readonly before: Profile | null
  readonly after: Profile | null
}

interface Click {
  readonly page: string
}

interface Search {
  readonly query: string
}

const builder = new StreamsBuilder()

const profiles = builder
  .table('profile-changes', { keySerde: Serdes.string, valueSerde: Serdes.json<ProfileChange>() })
  .mapValues((change) => change.after, { store: { name: 'profiles', valueSerde: Serdes.json() } })

const searches = builder.stream('searches', { keySerde: Serdes.string, valueSerde: Serdes.json<Search>() })

const visits = builder
  .stream('clicks', { keySerde: Serdes.string, valueSerde: Serdes.json<Click>() })
  .leftJoin(profiles, ({ page }, profile) => ({ page, name: profile?.name ?? 'a guest', plan: profile?.plan ?? 'none' }))

visits.to('visits', { valueSerde: Serdes.json() })

visits
  .join(
    searches,
    ({ page, name, plan }, { query }) => ({ query, page, name, plan }),
    joinWindows({ beforeMs: minutes(2), afterMs: 0, graceMs: minutes(1) }),
    { name: 'found', storeName: 'found', valueSerde: Serdes.json() },
  )
  .to('found-pages', { valueSerde: Serdes.json() })

export default builder.build()
