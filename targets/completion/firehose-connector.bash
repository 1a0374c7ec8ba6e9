# shellcheck shell=bash
# Completion of firehose-connector for bash.

_firehose_connector() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' candidate
    for candidate in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $candidate in run | check | help | version) command=$candidate && break ;; esac
    done
    # bash splits --definition=FILE at its "=".
    if [ "$word" = = ]; then word=''; fi
    if [ "$before" = = ]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
    case $before in
    --definition) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --client-id) COMPREPLY=() && return ;;
    esac
    case $command in
    run) candidate='--definition --help' ;;
    check) candidate='--definition --json --online --send-test-record --client-id --help' ;;
    help) candidate='run check' ;;
    version) candidate='' ;;
    *) candidate='run check help version --definition --help --version' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$candidate" -- "$word")
}
complete -o filenames -F _firehose_connector firehose-connector
