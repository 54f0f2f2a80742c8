# The real Template Toolkit as a process: one JSON object a line in, one a line out.
#
#   in:  {"name": "t", "template": "...", "files": {"inc": "...", ...}, "vars": {...}, "options": {...}}
#        without "files" they are those of the case before
#   out: {"output": "..."} or {"error": "..."}
#
# Characters are bytes (Latin-1) on both sides.
use strict;
use warnings;
use Data::Dumper ();
use File::Temp qw(tempdir);
use JSON::PP;
use Template;
use Template::Plugin::Dumper;

my $json = JSON::PP->new->latin1->allow_nonref;
my $folder = tempdir(CLEANUP => 1);
my $empty = "$folder/empty";
mkdir $empty or die;
binmode STDIN;
binmode STDOUT;
$| = 1;
$SIG{__WARN__} = sub { };
chdir $folder or die;

my %on_disk;

sub write_file {     # (NAME, TEXT)
    my ($name, $text) = @_;
    mkdir("$folder/$1") if $name =~ m{^(.*)/};
    open(my $file, '>:raw', "$folder/$name") or die "$name: $!";
    print $file $text;
    close($file) or die;
    $on_disk{$name} = $text;
}

sub write_files {    # (FILES): the folder holds these and no others
    my $files = shift;
    for my $name (grep { !exists $files->{$_} } keys %on_disk) {
        unlink "$folder/$name" or die "$name: $!";
        delete $on_disk{$name};
    }
    for my $name (grep { ($on_disk{$_} // "\0") ne $files->{$_} } keys %$files) {
        write_file($name, $files->{$name});
    }
}

sub as_bytes {    # (VALUE): strings without Perl's flag for text, in place
    my $value = $_[0];
    if (ref $value eq 'HASH') {
        $_[0] = { map { my ($key, $inner) = ($_, $value->{$_}); as_bytes($key); as_bytes($inner);
                        ($key => $inner) } keys %$value };
    }
    elsif (ref $value eq 'ARRAY') {
        as_bytes($_) for @$value;
    }
    else {
        utf8::downgrade($_[0]) if utf8::is_utf8($_[0]);
    }
}

# The plugin Dumper sets Data::Dumper's own variables, for good.
my @dumper = @Template::Plugin::Dumper::DUMPER_ARGS;
my %dumper = do { no strict 'refs'; map { ($_ => ${"Data::Dumper::$_"}) } @dumper };
$Data::Dumper::Sortkeys = 1;

while (my $line = <STDIN>) {
    my $case = $json->decode($line);
    as_bytes($case);
    write_files($case->{files}) if $case->{files};
    my $name = $case->{name};
    write_file($name, $case->{template}) if ($on_disk{$name} // "\0") ne $case->{template};
    { no strict 'refs'; ${"Data::Dumper::$_"} = $dumper{$_} for @dumper; }
    my $template = Template->new({ INCLUDE_PATH => $folder, %{ $case->{options} || {} } });
    my $output = '';
    my $answer;
    my $done = eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        alarm 10;
        for my $once (1) {    # a LAST without a loop leaves the innermost one, which is this
            my $fine = $template->process($name, $case->{vars}, \$output);
            $answer = $fine ? { output => $output } : { error => '' . $template->error };
        }
        alarm 0;
        $answer ||= { error => 'LAST or NEXT left the template' };
        1;
    };
    alarm 0;
    $answer = { error => "$@" } unless $done;
    print $json->encode($answer), "\n";
}
