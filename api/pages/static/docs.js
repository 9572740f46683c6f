window.SwaggerUIBundle({ url: `${document.documentElement.dataset.prefix}/openapi.json`, dom_id: "#docs", deepLinking: true, validatorUrl: null });
