# Completion of firehose-connector for fish.

set -l commands run check help version
complete -c firehose-connector -f
complete -c firehose-connector -n "not __fish_seen_subcommand_from $commands" -a run -d 'Relay records'
complete -c firehose-connector -n "not __fish_seen_subcommand_from $commands" -a check -d 'Check the configuration'
complete -c firehose-connector -n "not __fish_seen_subcommand_from $commands" -a help -d 'Show the help'
complete -c firehose-connector -n "not __fish_seen_subcommand_from $commands" -a version -d 'Show the version'
complete -c firehose-connector -n "__fish_seen_subcommand_from help" -a 'run check'
complete -c firehose-connector -s h -l help -d 'Show the help'
complete -c firehose-connector -s V -l version -d 'Show the version'
complete -c firehose-connector -l definition -r -F -d 'Connector definition'
complete -c firehose-connector -n "__fish_seen_subcommand_from check" -l json -d 'Show it as one JSON document'
complete -c firehose-connector -n "__fish_seen_subcommand_from check" -l online -d 'Try clock, broker, credentials and service, too'
complete -c firehose-connector -n "__fish_seen_subcommand_from check" -l send-test-record -d 'With --online: send one record'
complete -c firehose-connector -n "__fish_seen_subcommand_from check" -l client-id -x -d 'With --online: log in at the broker as this'
