# Completion of pmgsync's commands, options and arguments for bash.
# Written by completions/generate.py. Source it, or install it as
# /usr/share/bash-completion/completions/pmgsync.

_pmgsync_of() { # COMMAND: its verbs, options, those of them with a value, and its arguments
    verbs='' options='--help --root' valued='--root' arguments=''
    case $1 in
        '') verbs='create join-cmd join members delete leave tokens daemon status log show kept run hold release confirm config custom-check dump facts' options='--help --root --version' ;;
        'create') options='--address --help --json --name --root' valued='--address --name --root' arguments='' ;;
        'join-cmd') options='--help --json --root' valued='--root' arguments='' ;;
        'join') options='--help --json --name --root --token' valued='--name --root --token' arguments='-' ;;
        'members') options='--help --json --root' valued='--root' arguments='' ;;
        'delete') options='--help --json --root' valued='--root' arguments='-' ;;
        'leave') options='--help --json --root' valued='--root' arguments='' ;;
        'tokens') options='--help --json --root' valued='--root' arguments='list,revoke -' ;;
        'daemon') options='--help --root' valued='--root' arguments='' ;;
        'status') options='--help --json --root --watch' valued='--root' arguments='' ;;
        'log') options='--before --help --json --most --root' valued='--before --most --root -n' arguments='' ;;
        'show') options='--diff --help --json --root' valued='--root' arguments='-' ;;
        'kept') options='--clear --help --json --root' valued='--root' arguments='-' ;;
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
        'custom-check') options='--help --json --root --timeout' valued='--root --timeout' arguments='-' ;;
        'dump') options='--facts --help --json --root' valued='--facts --root' arguments='' ;;
        'facts') options='--facts --help --json --root' valued='--facts --root' arguments='' ;;
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
