;; Has a core module and makes no instance of it.
;; expect:
(component
  (core module
    ;; manifest
  )
)
