# Completion of pmgsync's commands, options and arguments for bash.
# Written by completions/generate.py. Source it, or install it as
# /usr/share/bash-completion/completions/pmgsync.

_pmgsync_of() { # COMMAND: its verbs, options, those of them with a value, and its arguments
    verbs='' options='--help --root' valued='--root' arguments=''
    case $1 in
        '') verbs='create join-cmd join approve members delete leave promote switchover rotate-keys tokens daemon status log show kept orphans run hold release confirm config domain transport network tls-policy tls-inbound dkim-domain score user ldap fetchmail check custom-check dump render facts sync templates' options='--help --root --version' ;;
        'create') options='--address --help --json --name --root' valued='--address --name --root' arguments='' ;;
        'join-cmd') options='--help --json --root' valued='--root' arguments='' ;;
        'join') options='--fingerprint --help --json --name --root --token' valued='--fingerprint --name --root --token' arguments='-' ;;
        'approve') options='--fingerprint --help --json --refuse --root' valued='--fingerprint --root' arguments='-' ;;
        'members') options='--help --json --root' valued='--root' arguments='' ;;
        'delete') options='--help --json --root' valued='--root' arguments='-' ;;
        'leave') options='--help --json --root' valued='--root' arguments='' ;;
        'promote') options='--dry-run --force-new-cluster --help --json --recovery-key --root --without' valued='--recovery-key --root --without' arguments='' ;;
        'switchover') options='--help --json --root' valued='--root' arguments='-' ;;
        'rotate-keys') options='--dry-run --help --json --recovery --root --tls' valued='--root' arguments='' ;;
        'tokens') options='--help --json --root' valued='--root' arguments='list,revoke -' ;;
        'daemon') options='--help --root' valued='--root' arguments='' ;;
        'status') options='--help --json --root --watch' valued='--root' arguments='' ;;
        'log') options='--before --help --json --most --root' valued='--before --most --root -n' arguments='' ;;
        'show') options='--diff --help --json --root' valued='--root' arguments='-' ;;
        'kept') options='--clear --help --json --root' valued='--root' arguments='-' ;;
        'orphans') verbs='list show apply' ;;
        'orphans list') options='--clear --help --json --root' valued='--root' arguments='' ;;
        'orphans show') options='--help --json --root' valued='--root' arguments='-' ;;
        'orphans apply') options='--force --help --json --root' valued='--root' arguments='-' ;;
        'run') options='--help --message --root --timeout' valued='--message --root --timeout -m' arguments='-+' ;;
        'hold') options='--help --message --root' valued='--message --root -m' arguments='' ;;
        'release') options='--help --json --message --root --timeout' valued='--message --root --timeout -m' arguments='' ;;
        'confirm') options='--help --json --root --timeout' valued='--root --timeout' arguments='-' ;;
        'config') verbs='list get set unset describe' ;;
        'config list') options='--help --json --root --set' valued='--root' arguments='admin,clamav,mail,spam,spamquar,virusquar' ;;
        'config get') options='--help --json --root' valued='--root' arguments='key' ;;
        'config set') options='--help --json --root' valued='--root' arguments='key value' ;;
        'config unset') options='--help --json --root' valued='--root' arguments='key' ;;
        'config describe') options='--help --json --root' valued='--root' arguments='key+' ;;
        'domain') verbs='list add remove set-comment' ;;
        'domain list') options='--help --json --root' valued='--root' arguments='' ;;
        'domain add') options='--comment --help --json --root' valued='--comment --root' arguments='-+' ;;
        'domain remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'domain set-comment') options='--help --json --root' valued='--root' arguments='- -' ;;
        'transport') verbs='list add remove set-comment' ;;
        'transport list') options='--help --json --root' valued='--root' arguments='' ;;
        'transport add') options='--comment --help --json --no-mx --port --protocol --replace --root' valued='--comment --port --protocol --root' arguments='- -' ;;
        'transport remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'transport set-comment') options='--help --json --root' valued='--root' arguments='- -' ;;
        'network') verbs='list add remove set-comment' ;;
        'network list') options='--help --json --root' valued='--root' arguments='' ;;
        'network add') options='--comment --help --json --root' valued='--comment --root' arguments='-+' ;;
        'network remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'network set-comment') options='--help --json --root' valued='--root' arguments='- -' ;;
        'tls-policy') verbs='list add remove' ;;
        'tls-policy list') options='--help --json --root' valued='--root' arguments='' ;;
        'tls-policy add') options='--help --json --replace --root' valued='--root' arguments='- none,may,encrypt,dane,dane-only,fingerprint,verify,secure -+' ;;
        'tls-policy remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'tls-inbound') verbs='list add remove' ;;
        'tls-inbound list') options='--help --json --root' valued='--root' arguments='' ;;
        'tls-inbound add') options='--help --json --root' valued='--root' arguments='-+' ;;
        'tls-inbound remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'dkim-domain') verbs='list add remove set-comment' ;;
        'dkim-domain list') options='--help --json --root' valued='--root' arguments='' ;;
        'dkim-domain add') options='--comment --help --json --root' valued='--comment --root' arguments='-+' ;;
        'dkim-domain remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'dkim-domain set-comment') options='--help --json --root' valued='--root' arguments='- -' ;;
        'score') verbs='list add remove set-comment' ;;
        'score list') options='--help --json --root' valued='--root' arguments='' ;;
        'score add') options='--comment --help --json --replace --root' valued='--comment --root' arguments='- -' ;;
        'score remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'score set-comment') options='--help --json --root' valued='--root' arguments='- -' ;;
        'user') verbs='list add set remove' ;;
        'user list') options='--help --json --root' valued='--root' arguments='' ;;
        'user add') options='--comment --disable --email --expire --firstname --help --json --lastname --password-file --role --root' valued='--comment --email --expire --firstname --lastname --password-file --role --root' arguments='-' ;;
        'user set') options='--comment --disable --email --enable --expire --firstname --help --json --lastname --password --password-file --role --root' valued='--comment --email --expire --firstname --lastname --password-file --role --root' arguments='-' ;;
        'user remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'ldap') verbs='list show add set remove' ;;
        'ldap list') options='--help --json --root' valued='--root' arguments='' ;;
        'ldap show') options='--help --json --root' valued='--root' arguments='-' ;;
        'ldap add') options='--accountattr --basedn --binddn --cafile --comment --disable --enable --filter --groupbasedn --groupclass --help --json --mailattr --mode --no-verify --password --password-file --port --root --server2 --verify' valued='--accountattr --basedn --binddn --cafile --comment --filter --groupbasedn --groupclass --mailattr --mode --password-file --port --root --server2' arguments='- -' ;;
        'ldap set') options='--accountattr --basedn --binddn --cafile --comment --disable --enable --filter --groupbasedn --groupclass --help --json --mailattr --mode --no-verify --password --password-file --port --root --server1 --server2 --unset --verify' valued='--accountattr --basedn --binddn --cafile --comment --filter --groupbasedn --groupclass --mailattr --mode --password-file --port --root --server1 --server2 --unset' arguments='-' ;;
        'ldap remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'fetchmail') verbs='list add set remove' ;;
        'fetchmail list') options='--help --json --root' valued='--root' arguments='' ;;
        'fetchmail add') options='--disable --help --id --interval --json --keep --no-keep --no-ssl --password-file --port --protocol --root --ssl' valued='--id --interval --password-file --port --protocol --root' arguments='- - -' ;;
        'fetchmail set') options='--disable --enable --help --interval --json --keep --no-keep --no-ssl --password --password-file --port --protocol --root --server --ssl --target --user' valued='--interval --password-file --port --protocol --root --server --target --user' arguments='-' ;;
        'fetchmail remove') options='--help --json --root' valued='--root' arguments='-+' ;;
        'check') options='--custom-check --help --json --root --strict' valued='--custom-check --root' arguments='' ;;
        'custom-check') options='--help --json --root --timeout' valued='--root --timeout' arguments='-' ;;
        'dump') options='--facts --help --json --root' valued='--facts --root' arguments='' ;;
        'render') options='--facts --help --json --option --root --template-path --vars' valued='--facts --option --root --template-path --vars' arguments='-' ;;
        'facts') options='--facts --help --json --root' valued='--facts --root' arguments='' ;;
        'sync') options='--diff --dry-run --facts --help --json --restart --root' valued='--facts --restart --root' arguments='' ;;
        'templates') options='--diff --facts --help --json --root --variables' valued='--facts --root' arguments='-' ;;
    esac
}

_pmgsync_values() { # KEY: the values of an option of pmg.conf, where they are few
    case $1 in
        admin.advfilter | admin.avast | admin.clamav | admin.custom_check | admin.dailyreport | admin.demo | admin.dkim_sign | admin.dkim_sign_all_mail | clamav.archiveblockencrypted | clamav.scriptedupdates | mail.accept-broken-mime | mail.before_queue_filtering | mail.greylist | mail.greylist6 | mail.helotests | mail.hide_received | mail.log-headers | mail.ndr_on_block | mail.rejectunknown | mail.rejectunknownsender | mail.relaynomx | mail.smtputf8 | mail.spf | mail.tls | mail.tlsheader | mail.tlslog | spam.extract_text | spam.rbl_checks | spam.use_awl | spam.use_bayes | spam.use_razor | spamquar.allowhrefs | spamquar.quarantinelink | virusquar.allowhrefs) echo 0 1 ;;
        admin.dkim-use-domain) echo header envelope ;;
        mail.relayprotocol) echo smtp lmtp ;;
        mail.verifyreceivers) echo 450 550 ;;
        spamquar.authmode) echo ticket ldap ldapticket ;;
        spamquar.protocol) echo http https ;;
        spamquar.reportstyle) echo none short verbose custom ;;
        spamquar.viewimages | virusquar.viewimages) echo 0 1 on-demand ;;
    esac
}

_pmgsync_option_values() { # COMMAND --OPTION: the values of an option of a command, if few
    case $1 in
        'transport add --protocol') echo smtp lmtp ;;
        'user add --role') echo admin helpdesk qmanager audit ;;
        'user set --role') echo admin helpdesk qmanager audit ;;
        'ldap add --mode') echo ldap ldaps ldap+starttls ;;
        'ldap set --mode') echo ldap ldaps ldap+starttls ;;
        'ldap set --unset') echo accountattr basedn binddn bindpw cafile comment disable filter groupbasedn groupclass mailattr mode port server2 verify ;;
        'fetchmail add --protocol') echo pop3 imap ;;
        'fetchmail set --protocol') echo pop3 imap ;;
        'sync --restart') echo 0 1 ;;
    esac
}

_pmgsync_word() { # into $word: the next one from $at on that is no option
    while ((at < COMP_CWORD)); do
        word=${COMP_WORDS[at++]}
        case $word in
            --root) ((at++)) ;;
            -*) ;;
            *) return 0 ;;
        esac
    done
    return 1
}

_pmgsync_candidates() { # the words among which the one at the cursor may be
    local at=1 word='' verbs options valued arguments given=() kinds=()
    [[ ${COMP_WORDS[COMP_CWORD - 1]} != --root ]] || return
    _pmgsync_of ''
    _pmgsync_word || { echo "$verbs $options"; return; }
    local command=$word
    _pmgsync_of "$command"
    if [[ -n $verbs ]]; then
        _pmgsync_word || { echo "$verbs $options"; return; }
        command+=" $word"
        _pmgsync_of "$command"
    fi
    while ((at < COMP_CWORD)); do
        word=${COMP_WORDS[at++]}
        if [[ " $valued " == *" $word "* ]]; then
            ((at++))
        elif [[ $word != -* ]]; then
            given+=("$word")
        fi
    done
    if ((at > COMP_CWORD)); then # the cursor is in an option's value
        _pmgsync_option_values "$command ${COMP_WORDS[COMP_CWORD - 1]}"
        return
    elif [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        echo "$options"
        return
    fi
    [[ -n $arguments ]] || return
    read -ra kinds <<<"$arguments"
    word=${kinds[${#given[@]}]:-${kinds[-1]}}
    [[ ${#given[@]} -lt ${#kinds[@]} || $word == *+ ]] || return
    case ${word%+} in
        key) echo admin.admin-mail-from admin.advfilter admin.avast admin.clamav admin.consent-text admin.custom_check admin.custom_check_path admin.dailyreport admin.demo admin.dkim-use-domain admin.dkim_selector admin.dkim_sign admin.dkim_sign_all_mail admin.email admin.http_proxy admin.statlifetime clamav.archiveblockencrypted clamav.archivemaxfiles clamav.archivemaxrec clamav.archivemaxsize clamav.dbmirror clamav.maxcccount clamav.maxscansize clamav.scriptedupdates mail.accept-broken-mime mail.banner mail.before_queue_filtering mail.conn_count_limit mail.conn_rate_limit mail.dnsbl_sites mail.dnsbl_threshold mail.dwarning mail.ext_port mail.filter-timeout mail.greylist mail.greylist6 mail.greylistmask4 mail.greylistmask6 mail.helotests mail.hide_received mail.int_port mail.log-headers mail.max_filters mail.max_policy mail.max_smtpd_in mail.max_smtpd_out mail.maxsize mail.message_rate_limit mail.ndr_on_block mail.queue-lifetime mail.rejectunknown mail.rejectunknownsender mail.relay mail.relaynomx mail.relayport mail.relayprotocol mail.smarthost mail.smarthostport mail.smtputf8 mail.spf mail.tls mail.tlsheader mail.tlslog mail.verifyreceivers spam.bounce_score spam.clamav_heuristic_score spam.extract_text spam.languages spam.maxspamsize spam.rbl_checks spam.use_awl spam.use_bayes spam.use_razor spam.wl_bounce_relays spamquar.allowhrefs spamquar.authmode spamquar.hostname spamquar.lifetime spamquar.mailfrom spamquar.port spamquar.protocol spamquar.quarantinelink spamquar.reportstyle spamquar.viewimages virusquar.allowhrefs virusquar.lifetime virusquar.viewimages ;;
        value) _pmgsync_values "${given[0]}" ;;
        -) ;;
        *) echo "${word//,/ }" ;;
    esac
}

_pmgsync() {
    mapfile -t COMPREPLY < <(compgen -W "$(_pmgsync_candidates)" -- "${COMP_WORDS[COMP_CWORD]}")
}

complete -o bashdefault -o default -F _pmgsync pmgsync
