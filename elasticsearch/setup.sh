#!/bin/sh
# Sets up Elasticsearch and Kibana for Umbra; may run any number of times.
#
#   setup.sh elasticsearch   before Kibana and Logstash start: kibana_system's password, roles, users,
#                            the ILM policy, the component template and the index template
#   setup.sh kibana          once Kibana runs: imports the data view, the searches and the dashboards
#
# Run by two one-shot services on Elasticsearch's own image (it has sh and curl), as any user, on a read-only
# root without a tmpfs: `elastic-setup` (needs elasticsearch started; kibana and logstash wait for it to have
# completed successfully) and `kibana-setup` (needs kibana started). Each waits for its server by itself.
#
#   files        this directory and kibana/ beside it, wherever both are mounted (read-only)
#   environment  ELASTICSEARCH_URL           default http://elasticsearch:9200
#                KIBANA_URL                  default http://kibana:5601          (kibana)
#                ELASTIC_PASSWORD            of the superuser `elastic`          (both)
#                KIBANA_SYSTEM_PASSWORD      what Kibana logs in with            (elasticsearch)
#                LOGSTASH_WRITER_PASSWORD    of the user `umbra_writer`          (elasticsearch)
#                UMBRA_READER_PASSWORD       of the user `umbra_reader`: people  (elasticsearch)
#                SETUP_WAIT_SECONDS          how long to wait for a server, default 300
#                SETUP_REFUSED_SECONDS       how long it may refuse the password, default 30
#   passwords    6 or more of A-Z a-z 0-9 _ . ~ - ; they never stand on a command line
#   exit status  0 done; 1 a step failed, named on standard error; 2 called wrongly
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
objects=$here/../kibana/umbra.ndjson
elasticsearch=${ELASTICSEARCH_URL:-http://elasticsearch:9200}
kibana=${KIBANA_URL:-http://kibana:5601}
wait_seconds=${SETUP_WAIT_SECONDS:-300}
refused_seconds=${SETUP_REFUSED_SECONDS:-30}

say() { printf 'setup: %s\n' "$1"; }
fail() {
    printf 'setup: FAILED: %s\n' "$1" >&2
    exit 1
}

# ask METHOD URL [CURL CONFIG LINE...]: sets $status (000: no connection) and $body.
# What is secret reaches curl on its standard input, never as an argument.
ask() {
    method=$1 url=$2
    shift 2
    answer=$({
        printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD"
        printf '%s\n' 'header = "kbn-xsrf: umbra"' "$@"
    } | curl --silent --noproxy '*' --max-time 120 --request "$method" \
        --write-out '%{errormsg}\n%{http_code}' --config - "$url") || true
    status=${answer##*
}
    body=${answer%
*}
}

# step WHAT METHOD URL [CURL CONFIG LINE...]: one request that must succeed. A server that has only just
# started may answer 5xx for a moment, so it is asked a few times.
step() {
    what=$1
    shift
    for _ in 1 2 3 4 5; do
        ask "$@"
        case $status in
        2??)
            say "$what"
            return
            ;;
        000 | 5??) sleep 1 ;;
        *) break ;;
        esac
    done
    fail "$what: $method $url answered $status: $body"
}

# put WHAT URL FILE: the content of a file, which must be taken.
put() {
    step "$1" PUT "$2" 'header = "Content-Type: application/json"' "data-binary = \"@$here/$3\""
}

# send WHAT METHOD URL JSON: like put, for what stands in no file. JSON's quotes are escaped for curl's config.
send() {
    escaped=$(printf '%s' "$4" | sed 's/"/\\"/g')
    step "$1" "$2" "$3" 'header = "Content-Type: application/json"' "data = \"$escaped\""
}

# wait_for SERVER URL: until it answers 200. A 401 is final, but not at once: Elasticsearch also says 401 to the
# right password, while it opens the index of its users after a start with an old volume.
wait_for() {
    begun=$(date +%s)
    refused_since=
    told=
    while ask GET "$2" && [ "$status" != 200 ]; do
        [ "$status" = "$told" ] || say "waiting for $1 at $2 ($status)"
        told=$status
        now=$(date +%s)
        [ "$status" = 401 ] || refused_since=
        if [ "$status" = 401 ] && [ $((now - ${refused_since:=$now})) -ge "$refused_seconds" ]; then
            fail "$1 refuses ELASTIC_PASSWORD: its volume keeps the one of its first start. put that one back into .env (or remove that volume, and all logs with it)"
        fi
        [ $((now - begun)) -lt "$wait_seconds" ] || fail "$1 was not ready in $wait_seconds s; $url answered $status: $body"
        sleep 1
    done
    say "$1 is ready"
}

# password NAME VALUE: refuses one that is missing, too short for Elasticsearch, or would need quoting.
password() {
    case $2 in
    '') fail "$1 is not set" ;;
    *[!A-Za-z0-9_.~-]*) fail "$1 holds a character other than A-Z a-z 0-9 _ . ~ -" ;;
    ?????*?) ;;
    *) fail "$1 is shorter than 6 characters" ;;
    esac
}

# user NAME ROLE PASSWORD WHO
user() {
    send "user $1" PUT "$elasticsearch/_security/user/$1" \
        "{\"password\":\"$3\",\"roles\":[\"$2\"],\"full_name\":\"$4\"}"
}

setup_elasticsearch() {
    password KIBANA_SYSTEM_PASSWORD "${KIBANA_SYSTEM_PASSWORD:-}"
    password LOGSTASH_WRITER_PASSWORD "${LOGSTASH_WRITER_PASSWORD:-}"
    password UMBRA_READER_PASSWORD "${UMBRA_READER_PASSWORD:-}"
    wait_for Elasticsearch "$elasticsearch/_cluster/health?wait_for_status=yellow&timeout=1s"
    send "password of kibana_system" POST "$elasticsearch/_security/user/kibana_system/_password" \
        "{\"password\":\"$KIBANA_SYSTEM_PASSWORD\"}"
    put "role umbra_writer" "$elasticsearch/_security/role/umbra_writer" roles/umbra_writer.json
    put "role umbra_reader" "$elasticsearch/_security/role/umbra_reader" roles/umbra_reader.json
    user umbra_writer umbra_writer "$LOGSTASH_WRITER_PASSWORD" "Logstash, writes Umbra's logs"
    user umbra_reader umbra_reader "$UMBRA_READER_PASSWORD" "People who read Umbra's logs"
    put "ILM policy umbra-logs" "$elasticsearch/_ilm/policy/umbra-logs" ilm/umbra-logs.json
    put "component template umbra@custom" "$elasticsearch/_component_template/umbra@custom" \
        component_templates/umbra@custom.json
    put "index template umbra-logs" "$elasticsearch/_index_template/umbra-logs" index_templates/umbra-logs.json
}

setup_kibana() {
    [ -r "$objects" ] || fail "$objects is not there; kibana/ has to be mounted beside $here"
    wait_for Kibana "$kibana/api/status"
    # Kibana answers 200 to an import of which some objects failed.
    step "Kibana took the objects" POST "$kibana/api/saved_objects/_import?overwrite=true" "form = \"file=@$objects\""
    case $body in
    *'"success":true'*) say "all objects are imported" ;;
    *) fail "import of $objects: $body" ;;
    esac
}

password ELASTIC_PASSWORD "${ELASTIC_PASSWORD:-}"
case ${1:-} in
elasticsearch) setup_elasticsearch ;;
kibana) setup_kibana ;;
*)
    printf 'usage: %s elasticsearch|kibana\n' "$0" >&2
    exit 2
    ;;
esac
say "done"
