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
#   passwords    6 or more of A-Z a-z 0-9 _ . ~ - ; they never stand on a command line
#   exit status  0 done; 1 a step failed, named on standard error; 2 called wrongly
