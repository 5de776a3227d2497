export EDITOR=emacs VISUAL=emacs
