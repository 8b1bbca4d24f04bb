package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/logtoguard/logtoguard/logtotest"
)

// lastLine ends what is printed, for programs that read it.
const lastLine = "# Ctrl-C ends it.\n"

// welcome is what logtoguard dev prints at start. A shell takes it as a whole.
func welcome(endpoint, self string, t logtotest.Tenant) string {
	l := &devLines{endpoint: endpoint, self: self, tenant: t}
	if len(t.Resources) > 0 {
		l.api = t.Resources[0]
	}
	l.remark("A Logto to develop against listens on %s", endpoint)
	l.remark("It is for trying only: all its secrets are public, so only this machine can use it.")
	l.text("\n")
	l.remark("What your API is configured with:")
	l.text("export LOGTO_ENDPOINT=%s\n", shellWord(endpoint))
	l.text("export LOGTO_AUDIENCE=%s\n\n", shellWord(l.api.Indicator))
	l.remark("Each of these commands prints an access token. Paste them into another shell.")
	l.users()
	l.machines()
	l.text("\n")
	l.signIn()
	l.text(lastLine)
	return l.String()
}

type devLines struct {
	strings.Builder
	endpoint, self string
	tenant         logtotest.Tenant
	api            logtotest.Resource // the first, or none
}

func (l *devLines) text(format string, args ...any) { fmt.Fprintf(l, format, args...) }

// odd is what a shell that takes no comments by hand, such as zsh, would take for more than a word.
var odd = regexp.MustCompile(`[^\w ,.:/@-]`)

// remark is a line that a shell ignores, or takes for words.
func (l *devLines) remark(format string, words ...string) {
	args := make([]any, len(words))
	for i, word := range words {
		args[i] = spelled(word)
	}
	l.text("# "+format+"\n", args...)
}

// spelled is text in a remark. People copy secrets and addresses from there, so what has to be quoted is.
func spelled(text string) string {
	switch {
	case strings.ContainsFunc(text, unicode.IsControl):
		return odd.ReplaceAllString(text, "_")
	case odd.MatchString(text):
		return shellWord(text)
	}
	return text
}

func (l *devLines) machines() {
	for _, a := range l.tenant.Applications {
		if typeOf(a) == machineToMachine && !a.TokenExchange {
			who := []string{"LOGTO_APP_SECRET=" + shellWord(a.Secret), l.self, "token", "-app", shellWord(a.ID)}
			l.tokens("the application "+a.ID, who, func(m logtotest.Member) bool { return m.ApplicationID == a.ID })
		}
	}
}

// users exchange personal access tokens, by an application that may.
func (l *devLines) users() {
	i := slices.IndexFunc(l.tenant.Applications, func(a logtotest.Application) bool { return a.TokenExchange })
	if i < 0 {
		return
	}
	environment, application := "", ""
	if app := l.tenant.Applications[i]; app.ID != exchangeApp || app.Secret != exchangeSecret {
		environment, application = "LOGTO_APP_SECRET="+shellWord(app.Secret)+" ", " -app "+shellWord(app.ID)
	}
	for _, u := range l.tenant.Users {
		if len(u.PersonalAccessTokens) > 0 {
			who := []string{environment + "LOGTO_PAT=" + shellWord(u.PersonalAccessTokens[0]), l.self, "token", "-pat -" + application}
			l.tokens("the user "+u.ID, who, func(m logtotest.Member) bool { return m.UserID == u.ID })
		}
	}
}

// tokens are the commands for all kinds of tokens of one user or machine, who gets them
// without holding any of the scopes, too.
func (l *devLines) tokens(name string, who []string, isMember func(logtotest.Member) bool) {
	who = append(who, "-accept-fewer-scopes", "-endpoint", shellWord(l.endpoint))
	command := func(scopes []string, flags ...string) {
		if len(scopes) > 0 {
			flags = append(flags, "-scope", shellWord(strings.Join(scopes, " ")))
		}
		l.text("%s\n", strings.Join(slices.Concat(who, flags), " "))
	}
	resource := []string{"-resource", shellWord(l.api.Indicator)}
	if l.api.Indicator != "" {
		l.remark("Of %s:", name)
		command(l.api.Scopes, resource...)
	}
	for _, o := range l.tenant.Organizations {
		i := slices.IndexFunc(o.Members, isMember)
		if i < 0 {
			continue
		}
		organization := []string{"-organization", shellWord(o.ID)}
		if l.api.Indicator != "" {
			l.remark("Of %s in the organization %s:", name, o.ID)
			command(l.api.Scopes, append(organization, resource...)...)
		}
		l.remark("Of %s, an organization token of %s, for APIs that take these:", name, o.ID)
		command(o.Members[i].Scopes, organization...)
	}
}

func (l *devLines) signIn() {
	for _, a := range l.tenant.Applications {
		if len(a.RedirectURIs) > 0 {
			secret := ""
			if a.Secret != "" {
				secret = " with the secret " + spelled(a.Secret)
			}
			var from []string
			for _, uri := range a.RedirectURIs {
				from = append(from, spelled(uri))
			}
			l.text("# People sign in to %s, type %s%s, from %s\n", spelled(a.ID), typeOf(a), secret, strings.Join(from, ", "))
		}
	}
}

const machineToMachine = "MachineToMachine"

func typeOf(a logtotest.Application) string { return cmp.Or(a.Type, machineToMachine) }

var plainWord = regexp.MustCompile(`^[\w@%+:,./-]+$`)

// shellWord is a word of a POSIX shell.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ownName is how a shell calls this program: by its name if that is on its path.
func ownName() string {
	path, err := os.Executable()
	if err != nil {
		return "logtoguard"
	}
	found, _ := exec.LookPath("logtoguard")
	this, thisErr := os.Stat(path)
	other, otherErr := os.Stat(found)
	if thisErr == nil && otherErr == nil && os.SameFile(this, other) {
		return "logtoguard"
	}
	return shellWord(path)
}

type (
	devUser struct {
		ID       string `json:"id"`
		Username string `json:"username"`
		Token    string `json:"personal_access_token"`
	}
	devApplication struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
		Type   string `json:"type"`
	}
	devOrganization struct {
		ID string `json:"id"`
	}
)

// devJSON is the object that the help text promises, on one line.
func devJSON(endpoint string, t logtotest.Tenant) (string, error) {
	audience := ""
	if len(t.Resources) > 0 {
		audience = t.Resources[0].Indicator
	}
	users, applications, organizations := []devUser{}, []devApplication{}, []devOrganization{} // never null
	for _, u := range t.Users {
		token := ""
		if len(u.PersonalAccessTokens) > 0 {
			token = u.PersonalAccessTokens[0]
		}
		users = append(users, devUser{u.ID, u.Username, token})
	}
	for _, a := range t.Applications {
		applications = append(applications, devApplication{a.ID, a.Secret, typeOf(a)})
	}
	for _, o := range t.Organizations {
		organizations = append(organizations, devOrganization{o.ID})
	}
	return asciiJSON(map[string]any{
		"endpoint": endpoint, "audience": audience, "users": users, "applications": applications, "organizations": organizations,
	})
}
